/** The colours of the chart, read from the style sheet so that there is one palette. */
export interface Palette {
  panel: string;
  grid: string;
  text: string;
  muted: string;
  border: string;
  up: string;
  down: string;
  upVolume: string;
  downVolume: string;
  forecast: string;
  band90: string;
  band50: string;
  trail: string;
  trailBand: string;
  miss: string;
  brush: string;
  font: string;
}

export function readPalette(of: Element): Palette {
  const s = getComputedStyle(of);
  const v = (name: string): string => s.getPropertyValue(`--${name}`).trim();
  return {
    panel: v("panel"),
    grid: v("grid"),
    text: v("text"),
    muted: v("muted"),
    border: v("line"),
    up: v("up"),
    down: v("down"),
    upVolume: v("up-volume"),
    downVolume: v("down-volume"),
    forecast: v("forecast"),
    band90: v("band90"),
    band50: v("band50"),
    trail: v("trail"),
    trailBand: v("trail-band"),
    miss: v("miss"),
    brush: v("brush"),
    font: s.fontFamily,
  };
}
