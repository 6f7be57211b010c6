/** Foretick's mark: a candle, and the fan of what may come after it. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <path d="M16 16 29 6v20z" class="mark-90" />
      <path d="M16 16 29 11.5v9z" class="mark-50" />
      <path d="M8 5v22" class="mark-wick" />
      <rect x="4" y="10.5" width="8" height="11" rx="1.5" class="mark-body" />
      <circle cx="16" cy="16" r="2.6" class="mark-dot" />
    </svg>
  );
}
