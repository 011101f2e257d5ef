// What a screen reader says. One polite live region; sentences that come close together are read as one, so that two
// uploads do not talk over each other.

const GATHER_MS = 400;

export function announcer(region) {
  let pending = [];
  let timer = null;
  return function announce(sentence) {
    pending.push(sentence);
    timer ??= setTimeout(() => {
      region.textContent = pending.join(" ");
      pending = [];
      timer = null;
    }, GATHER_MS);
  };
}
