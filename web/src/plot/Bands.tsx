import { count, share } from "../format/number.ts";
import { type Box, Figure, Rules, scale, ticks } from "./Figure.tsx";

/** One coverage: what was promised, what was kept, and what chance explains. */
export interface Kept {
  name: string;
  /** A name that fits under a narrow column. */
  short?: string;
  n: number | null;
  level: number;
  share: number | null;
  low: number | null;
  high: number | null;
}

/** Whether chance explains the difference between promise and outcome; null while nothing is known. */
export function explained(k: Kept): boolean | null {
  if (k.low === null || k.high === null || k.share === null) return null;
  return k.low <= k.level && k.level <= k.high;
}

/** Whether chance explains it, in words. */
export function word(k: Kept): string {
  const e = explained(k);
  if (e === null) return "no outcomes yet";
  if (e) return "yes";
  return k.share !== null && k.share < k.level ? "no, too few" : "no, too many";
}

interface Props {
  title: string;
  note: string;
  list: readonly Kept[];
  height: number;
  wide?: boolean;
  /** What the first column of the table is called. */
  what: string;
}

/** Coverage side by side: a dot for what was kept, a bar for what chance explains, a line for the promise. */
export function Bands({ title, note, list, height, wide, what }: Props) {
  const outside = list.filter(k => explained(k) === false);
  const desc =
    list.length === 0
      ? "No outcomes yet."
      : outside.length === 0
        ? `${list.length} shares; chance explains every one of them.`
        : `${list.length} shares; chance does not explain ${outside.map(k => `${k.name}: ${share(k.share)} of ${share(k.level, 0)}`).join(", ")}.`;
  return (
    <Figure
      title={title}
      note={note}
      desc={desc}
      height={height}
      {...(wide ? { wide } : {})}
      table={{
        head: [what, "Promised", "Kept", "from", "to", "n", "By chance?"],
        rows: list.map(k => [
          k.name,
          share(k.level, 0),
          share(k.share),
          share(k.low),
          share(k.high),
          count(k.n),
          word(k),
        ]),
      }}
      draw={box => <Columns list={list} box={box} />}
    />
  );
}

function Columns({ list, box }: { list: readonly Kept[]; box: Box }) {
  const low = Math.min(1, ...list.map(k => Math.min(k.low ?? 1, k.level)));
  const from = Math.max(0, Math.floor(low * 10 - 0.2) / 10);
  const y = scale(from, 1, box.bottom, box.top);
  const room = (box.right - box.left) / Math.max(1, list.length);
  const labelEvery = Math.max(1, Math.ceil(38 / room));
  const same = list.every(k => k.level === list[0]?.level);
  const written = room >= 62;
  return (
    <>
      <Rules box={box} at={ticks(from, 1, 5)} y={y} label={v => share(v, 0)} />
      {same && list[0] !== undefined && (
        <line class="promise" x1={box.left} x2={box.right} y1={y(list[0].level)} y2={y(list[0].level)} />
      )}
      {list.map((k, i) => {
        const x = box.left + (i + 0.5) * room;
        const half = Math.min(10, room * 0.32);
        const e = explained(k);
        return (
          <g key={k.name} class={e === false ? "kept off" : "kept"}>
            <title>
              {`${k.name}: promised ${share(k.level, 0)}, kept ${share(k.share)}${k.n === null ? "" : ` over ${count(k.n)}`}; chance explains ${share(k.low)} to ${share(k.high)}`}
            </title>
            <rect class="catch" x={x - room / 2} y={box.top} width={room} height={box.bottom - box.top} />
            {k.low !== null && k.high !== null && (
              <rect
                class="chance"
                x={x - half / 2}
                width={half}
                y={y(k.high)}
                height={Math.max(1, y(k.low) - y(k.high))}
                rx={2}
              />
            )}
            {!same && <line class="promise" x1={x - half} x2={x + half} y1={y(k.level)} y2={y(k.level)} />}
            {k.share !== null && <Mark x={x} y={y(k.share)} off={e === false} />}
            {written && k.share !== null && (
              <text class="value" x={x + half + 3} y={y(k.share) + 4}>
                {share(k.share)}
              </text>
            )}
            {k.share === null && (
              <text class="value none" x={x} y={(box.top + box.bottom) / 2} text-anchor="middle">
                none yet
              </text>
            )}
            {i % labelEvery === 0 && (
              <text class="axis" x={x} y={box.bottom + 16} text-anchor="middle">
                {k.short ?? k.name}
              </text>
            )}
          </g>
        );
      })}
    </>
  );
}

/** A dot, or a cross where chance does not explain it. */
function Mark({ x, y, off }: { x: number; y: number; off: boolean }) {
  if (!off) return <circle class="dot" cx={x} cy={y} r={3.5} />;
  const r = 4;
  return (
    <path class="cross" d={`M${x - r} ${y - r}L${x + r} ${y + r}M${x - r} ${y + r}L${x + r} ${y - r}`} />
  );
}
