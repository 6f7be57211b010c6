import { count, share } from "../format/number.ts";
import { Figure, Rules, scale, ticks } from "./Figure.tsx";

/** In which part of the forecast distribution outcomes fell. */
export function Pit({ pit, n }: { pit: readonly number[]; n: number }) {
  const bins = Math.max(1, pit.length);
  const even = n / bins;
  const top = Math.max(...pit, even) * 1.08;
  const name = (i: number): string => `${share(i / bins, 0)} to ${share((i + 1) / bins, 0)}`;
  const most = pit.indexOf(Math.max(...pit));
  return (
    <Figure
      title="PIT histogram"
      note="Where in the forecast distribution outcomes fell: even is right, a bowl is too narrow, a hump too wide."
      desc={`${bins} bins; most outcomes, ${count(pit[most])}, fell at ${name(most)}; even would be ${count(Math.round(even))} each.`}
      height={230}
      table={{ head: ["Part of the distribution", "Outcomes"], rows: pit.map((c, i) => [name(i), count(c)]) }}
      draw={box => {
        const x = scale(0, bins, box.left, box.right);
        const y = scale(0, top, box.bottom, box.top);
        return (
          <>
            <Rules box={box} at={ticks(0, top, 4)} y={y} label={v => count(v)} />
            {pit.map((c, i) => (
              <rect
                key={i}
                class="bin"
                x={x(i) + 1}
                width={x(1) - x(0) - 2}
                y={y(c)}
                height={box.bottom - y(c)}
              >
                <title>{`${name(i)}: ${count(c)} outcomes`}</title>
              </rect>
            ))}
            <line class="promise" x1={box.left} x2={box.right} y1={y(even)} y2={y(even)} />
            <g class="ends">
              <text class="axis" x={box.left} y={box.bottom + 16}>
                lower than forecast
              </text>
              <text class="axis" x={box.right} y={box.bottom + 16} text-anchor="end">
                higher
              </text>
            </g>
          </>
        );
      }}
    />
  );
}
