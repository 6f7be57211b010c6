import { share } from "../format/number.ts";
import { Figure, Rules, scale } from "./Figure.tsx";

const AT = [0, 0.25, 0.5, 0.75, 1];

interface Props {
  probabilities: readonly number[];
  reliability: readonly (number | null)[];
}

/** Share of outcomes at or below each forecast quantile, against the diagonal of a forecast that means what it says. */
export function Reliability({ probabilities, reliability }: Props) {
  const points = probabilities.flatMap((p, i) => {
    const r = reliability[i];
    return r === null || r === undefined ? [] : [{ p, r }];
  });
  return (
    <Figure
      title="Reliability"
      note="Outcomes at or below each forecast quantile; on the diagonal is right."
      desc={`Of ${points.length} quantiles: ${[0.05, 0.5, 0.95]
        .flatMap(want => points.filter(x => Math.abs(x.p - want) < 1e-9))
        .map(x => `${share(x.p, 0)} held ${share(x.r)}`)
        .join(", ")}.`}
      height={230}
      table={{
        head: ["Quantile", "Outcomes at or below"],
        rows: points.map(x => [share(x.p), share(x.r)]),
      }}
      draw={box => {
        const x = scale(0, 1, box.left, box.right);
        const y = scale(0, 1, box.bottom, box.top);
        return (
          <>
            <Rules box={box} at={AT} y={y} label={v => share(v, 0)} />
            <g>
              {AT.map((v, i) => (
                <text
                  key={v}
                  class="axis"
                  x={x(v)}
                  y={box.bottom + 16}
                  text-anchor={i === 0 ? "start" : i === AT.length - 1 ? "end" : "middle"}
                >
                  {share(v, 0)}
                </text>
              ))}
            </g>
            <line class="promise" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
            <path
              class="path"
              d={points.map((q, i) => `${i === 0 ? "M" : "L"}${x(q.p)} ${y(q.r)}`).join("")}
            />
            {points.map(q => (
              <circle key={q.p} class="dot" cx={x(q.p)} cy={y(q.r)} r={3}>
                <title>{`${share(q.p)} quantile: ${share(q.r)} of outcomes at or below`}</title>
              </circle>
            ))}
          </>
        );
      }}
    />
  );
}
