// A lane's round as a picture: one square per source. Shape says the place as well as colour does; one path per place.
const SIZE = 8;
const STEP = 11;
const PLACES = [
  { letter: "d", word: "done", cls: "pl-d", draw: (x, y) => `M${x} ${y}h${SIZE}v${SIZE}h-${SIZE}z` },
  { letter: "r", word: "asked now", cls: "pl-r", draw: (x, y) => `M${x} ${y}h${SIZE}v${SIZE}h-${SIZE}z` },
  { letter: "w", word: "waiting", cls: "pl-w", draw: (x, y) => `M${x + 0.5} ${y + 0.5}h${SIZE - 1}v${SIZE - 1}h-${SIZE - 1}z` },
  { letter: "s", word: "in the slow lane", cls: "pl-s", draw: (x, y) => `M${x} ${y + SIZE / 2 - 1}h${SIZE}v2h-${SIZE}z` },
  { letter: "f", word: "failed", cls: "pl-f", draw: (x, y) => `M${x} ${y}l${SIZE} ${SIZE}M${x + SIZE} ${y}l-${SIZE} ${SIZE}` },
];

export function Places({ places = "", columns = 50 }) {
  const letters = [...places];
  const rows = Math.max(Math.ceil(letters.length / columns), 1);
  const width = Math.min(letters.length || 1, columns) * STEP;
  const paths = PLACES.map((place) => ({
    ...place,
    count: letters.filter((letter) => letter === place.letter).length,
    d: letters
      .map((letter, i) => (letter === place.letter ? place.draw((i % columns) * STEP, Math.floor(i / columns) * STEP) : ""))
      .join(""),
  })).filter((place) => place.count);
  const label = paths.map((place) => `${place.count} ${place.word}`).join(", ") || "no sources";
  return (
    <svg className="places" width={width} height={rows * STEP} viewBox={`0 0 ${width} ${rows * STEP}`} role="img" aria-label={label}>
      {paths.map((place) => (
        <path key={place.letter} className={place.cls} d={place.d} />
      ))}
    </svg>
  );
}
