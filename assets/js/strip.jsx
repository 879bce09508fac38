// The last outcomes of a source or a breaker as bars: height says the state as well as colour does. One path per state.
const STATES = [
  { letter: "o", word: "healthy", height: 7, cls: "s-ok" },
  { letter: "w", word: "degraded", height: 12, cls: "s-warn" },
  { letter: "b", word: "unhealthy", height: 18, cls: "s-bad" },
  { letter: "u", word: "unknown", height: 3, cls: "s-off" },
];

export function Strip({ recent = "", places = 30, noun = "checks", words = [] }) {
  const letters = [...recent].slice(-places);
  const first = places - letters.length;
  const width = places * 4;
  const paths = STATES.map((state, at) => ({
    ...state,
    word: words[at] ?? state.word,
    count: letters.filter((letter) => letter === state.letter).length,
    d: letters.map((letter, i) => (letter === state.letter ? `M${(first + i) * 4 + 2} 20v-${state.height}` : "")).join(""),
  }));
  const label = letters.length
    ? `last ${letters.length} ${noun}: ${paths.map((path) => `${path.count} ${path.word}`).join(", ")}`
    : `no ${noun} yet`;
  return (
    <svg className="strip" width={width} height="20" viewBox={`0 0 ${width} 20`} role="img" aria-label={label}>
      {paths.filter((path) => path.d).map((path) => (
        <path key={path.letter} className={path.cls} d={path.d} />
      ))}
    </svg>
  );
}
