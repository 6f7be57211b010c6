import { signal } from "@preact/signals";
import { count, short } from "../format/number.ts";
import { age, moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { clockWords, gapWords, headroomWords, type Link } from "./link.ts";

const SIGN: Record<string, string> = {
  connecting: "…",
  running: "●",
  stalled: "▲",
  finished: "■",
  failed: "✕",
};

/** How each feed is. */
export function Feeds({ app }: { app: App }) {
  return (
    <section class="panel" aria-labelledby="feeds-title">
      <h2 id="feeds-title">Feeds</h2>
      {app.feeds.value.length === 0 && <p class="muted">No feed has reported yet.</p>}
      {app.feeds.value.map(f => {
        const last = f.last_data == null ? Number.NaN : ms(f.last_data);
        return (
          <div class="feed" key={f.name}>
            <p>
              <b>{f.name}</b>{" "}
              <span class={`feed-state ${f.state}`}>
                <span aria-hidden="true">{SIGN[f.state] ?? "…"}</span> {f.state}
              </span>{" "}
              {last > 0 && (
                <span class="muted" title={utc(last)}>
                  {age(app.serverNow.value - last)} ago
                </span>
              )}
            </p>
            {f.detail !== "" && <p class="muted">{f.detail}</p>}
            {f.note && <p class="muted">{f.note}</p>}
            {f.clock != null && ms(f.clock) > 0 && (
              <p class="muted" title={utc(ms(f.clock))}>
                The recording is at {moment(ms(f.clock))}
              </p>
            )}
            <dl class="counts">
              <Count name="Ticks" n={f.ticks} />
              <Count name="Bars" n={f.bars} />
              <Count name="Late ticks" n={f.ticks_late} />
              <Count name="Revised" n={f.bars_revised} />
              <Count name="Rejected" n={f.rejected} />
              <Count name="Gaps" n={f.gaps} />
              {f.link && <Count name="Reconnects" n={f.link.reconnects} />}
              {f.link && <Count name="Came twice" n={f.link.duplicates} />}
              {f.link && <Count name="Unknown" n={f.link.unknown} />}
            </dl>
            {f.link && <Connection link={f.link} />}
          </div>
        );
      })}
    </section>
  );
}

/** The connection to a venue: what was missed, how its clock is, what is left of its limit. */
function Connection({ link }: { link: Link }) {
  return (
    <div class="connection">
      <p>
        <span class="muted">Missed trades and bars:</span> {gapWords(link)}.
      </p>
      {link.lost !== "" && <p class="muted">Last not to be had: {link.lost}</p>}
      {link.reason !== "" && <p class="muted">Last reconnect: {link.reason}</p>}
      {link.refused !== "" && (
        <p>
          <b>The venue refuses:</b> {link.refused}
        </p>
      )}
      <p class="muted">{clockWords(link)}</p>
      <p class="headroom">
        <span class="muted">REST limit:</span>{" "}
        <meter
          min={0}
          max={1}
          low={0.2}
          optimum={1}
          value={link.headroom}
          aria-label="Share of the venue's rate limit that is left"
        />{" "}
        {headroomWords(link)}
      </p>
    </div>
  );
}

function Count({ name, n }: { name: string; n: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{count(n)}</dd>
    </div>
  );
}

/** The newest inputs that were refused, each with its reason. */
export function Quarantine({ app }: { app: App }) {
  const { items, total } = app.quarantine.value;
  return (
    <section class="panel" aria-labelledby="quarantine-title">
      <h2 id="quarantine-title">
        Quarantine <small>{count(total)} refused</small>
      </h2>
      {items.length === 0 ? (
        <p class="muted">Nothing was refused.</p>
      ) : (
        <section class="scroll tall" tabIndex={0} aria-label="Refused inputs">
          <ul class="list">
            {items.map(r => (
              <li key={r.num}>
                <p>
                  {r.reason}{" "}
                  <span class="muted" title={utc(ms(r.at))}>
                    {r.source}
                    {r.line > 0 && `, line ${r.line}`}
                  </span>
                </p>
                {r.raw !== "" && <code>{r.raw}</code>}
              </li>
            ))}
          </ul>
        </section>
      )}
    </section>
  );
}

/** Stretches without data. */
export function Gaps({ app }: { app: App }) {
  const list = app.gaps.value;
  const newest = [...list].sort((a, b) => b.entry - a.entry).slice(0, 20);
  return (
    <section class="panel" aria-labelledby="gaps-title">
      <h2 id="gaps-title">
        Gaps <small>{count(list.length)} recorded</small>
      </h2>
      {newest.length === 0 ? (
        <p class="muted">No gap in this series.</p>
      ) : (
        <section class="scroll tall" tabIndex={0} aria-label="Gaps">
          <ul class="list">
            {newest.map(g => (
              <li key={g.entry}>
                <p title={`${utc(ms(g.from))} to ${utc(ms(g.to))}`}>
                  {moment(ms(g.from))}, {age(ms(g.to) - ms(g.from))}
                </p>
                <p class="muted">
                  {count(g.bars)} bars, {count(g.missed)} forecasts missed: {g.reason}
                </p>
              </li>
            ))}
          </ul>
        </section>
      )}
    </section>
  );
}

const copied = signal(false);

/** The end of the chain: what to note down to prove later that nothing was changed. */
export function Ledger({ app }: { app: App }) {
  const head = app.head.value;
  const copy = async (): Promise<void> => {
    if (head === null) return;
    try {
      await navigator.clipboard.writeText(`${head.series} ${head.seq} ${head.hash}`);
      copied.value = true;
      setTimeout(() => {
        copied.value = false;
      }, 2000);
    } catch {
      // Without permission nothing is copied; the hash can be opened and selected.
    }
  };
  return (
    <section class="panel" aria-labelledby="ledger-title">
      <h2 id="ledger-title">Ledger</h2>
      {head === null || head.seq === 0 ? (
        <p class="muted">The chain begins with the first bar.</p>
      ) : (
        <p>
          Entry <b class="num">{count(head.seq)}</b>, hash{" "}
          <button
            type="button"
            class="link hash"
            title={head.hash}
            onClick={() => {
              app.inspected.value = head.seq;
            }}
          >
            {short(head.hash, 16)}…
          </button>{" "}
          <button type="button" onClick={() => void copy()}>
            {copied.value ? "Copied" : "Copy"}
          </button>
        </p>
      )}
      <p class="muted">
        Verify with <code>foretick ledger verify</code>. The chain proves order and integrity, not wall-clock
        time.
      </p>
    </section>
  );
}
