import { useId, useMemo, useState } from "preact/hooks";
import type { Epoch } from "../api/types.ts";
import { count, fixed } from "../format/number.ts";
import { type Box, Figure, Rules, scale, ticks } from "../plot/Figure.tsx";
import { bestOf, decimals, frame, labels, line, type Restart, restarts } from "./curve.ts";
import { loss, several } from "./words.ts";

interface Props {
  curve: readonly Epoch[];
  /** Whether epochs still come. */
  live?: boolean;
}

/** The losses of every network, epoch by epoch. */
export function Curve({ curve, live }: Props) {
  const list = useMemo(() => restarts(curve), [curve]);
  const best = bestOf(list);
  const [at, setAt] = useState<number | null>(null);
  const cut = frame(curve).cut;
  const kept =
    best?.best === undefined
      ? ""
      : `The lowest validation loss${live ? " so far" : ""}, ${loss(best.best.valid)}, came at epoch ${count(best.best.epoch)} of network ${best.n}.`;
  return (
    <div class="curve">
      <Figure
        title="Learning curve"
        note={`Mean negative log likelihood by epoch; lower is better.${cut ? " What is far above the rest is cut off." : ""}`}
        desc={`${several(list.length, "network")}, ${several(curve.length, "epoch")}. ${kept}`}
        height={260}
        left={52}
        right={24}
        table={{
          head: ["Network, epoch", "Training", "Validation", "Rate", "Best so far"],
          rows: curve.map(p => [
            `${p.restart}, ${count(p.epoch)}`,
            loss(p.train),
            loss(p.valid),
            String(Number(p.rate.toPrecision(3))),
            p.best ? "✓" : "",
          ]),
        }}
        draw={box => <Lines box={box} curve={curve} list={list} best={best} at={at} look={setAt} />}
      />
      <p class="legend-line muted">
        <span class="swatch-valid">Validation</span>
        <span class="swatch-learn">Training</span>
        <span class="swatch-dot">Epoch whose weights were kept</span>
        <span class="explain">{at === null ? kept : reading(list, at)}</span>
      </p>
    </div>
  );
}

/** At most as many networks are read in words. */
const READ = 3;

/** The losses of the networks at an epoch, in words, the best network's first. */
export function reading(list: readonly Restart[], epoch: number): string {
  const best = bestOf(list);
  const sorted = best === undefined ? list : [best, ...list.filter(r => r !== best)];
  const parts = sorted.flatMap(r => {
    const p = r.points.find(p => p.epoch === epoch);
    if (p === undefined) return [];
    const name = list.length > 1 ? `network ${r.n} ` : "";
    return [`${name}training ${loss(p.train)}, validation ${loss(p.valid)}`];
  });
  const rest = parts.length - READ;
  const words = parts.slice(0, READ).join("; ") + (rest > 0 ? `; and ${rest} more` : "");
  return `Epoch ${count(epoch)}: ${words === "" ? "all networks had stopped" : words}`;
}

interface LinesProps {
  box: Box;
  curve: readonly Epoch[];
  list: readonly Restart[];
  best: Restart | undefined;
  at: number | null;
  look(epoch: number | null): void;
}

function Lines({ box, curve, list, best, at, look }: LinesProps) {
  const clip = useId();
  const f = frame(curve);
  const x = scale(1, f.epochs, box.left, box.right);
  const y = scale(f.low, f.high, box.bottom, box.top);
  const across = ticks(f.low, f.high, 5);
  const places = decimals((across[1] ?? 1) - (across[0] ?? 0));
  const below = ticks(0, f.epochs, Math.max(2, Math.floor((box.right - box.left) / 90))).filter(
    e => e >= 1 && Number.isInteger(e),
  );
  const point = (e: PointerEvent & { currentTarget: SVGRectElement }): void => {
    const { left, width } = e.currentTarget.getBoundingClientRect();
    const share = (e.clientX - left) / (width || 1);
    look(Math.min(f.epochs, Math.max(1, Math.round(1 + share * (f.epochs - 1)))));
  };
  return (
    <>
      <Rules box={box} at={across} y={y} label={v => fixed(v, places)} />
      <g>
        {below.map(e => (
          <text key={e} class="axis" x={x(e)} y={box.bottom + 16} text-anchor="middle">
            {count(e)}
          </text>
        ))}
        <text class="axis" x={box.left} y={box.bottom + 16}>
          epoch
        </text>
      </g>
      <clipPath id={clip}>
        <rect x={box.left} y={box.top} width={box.right - box.left + 4} height={box.bottom - box.top} />
      </clipPath>
      <g clip-path={`url(#${clip})`}>
        {list.map(r => (
          <g key={r.n} class={r === best ? "network" : "network other"}>
            <path class="learn" d={line(r.points, "train", x, y)} />
            <path class="valid" d={line(r.points, "valid", x, y)} />
          </g>
        ))}
      </g>
      {best?.best !== undefined && (
        <line class="promise" x1={x(best.best.epoch)} x2={x(best.best.epoch)} y1={box.top} y2={box.bottom} />
      )}
      {list.map(
        r =>
          r.best !== undefined && (
            <circle
              key={r.n}
              class={r === best ? "dot" : "dot other"}
              cx={x(r.best.epoch)}
              cy={y(Math.min(r.best.valid, f.high))}
              r={r === best ? 4.5 : 3.5}
            />
          ),
      )}
      {list.length > 1 &&
        labels(list, best, x, v => y(Math.min(v, f.high))).map(l => (
          <text key={l.n} class="value" x={l.x} y={l.y}>
            {l.n}
          </text>
        ))}
      {at !== null && <line class="at" x1={x(at)} x2={x(at)} y1={box.top} y2={box.bottom} />}
      <rect
        class="catch"
        x={box.left}
        y={box.top}
        width={Math.max(0, box.right - box.left)}
        height={box.bottom - box.top}
        onPointerMove={point}
        onPointerLeave={() => look(null)}
      />
    </>
  );
}
