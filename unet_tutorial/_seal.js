// Returns what `sealed` of _seal.py has made unreadable.
function unseal(name, text) {
  let state = 2166136261;
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 16777619) >>> 0;
  state ||= 1;
  const mixed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  for (let i = 0; i < mixed.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    mixed[i] ^= state & 255;
  }
  return JSON.parse(new TextDecoder().decode(mixed));
}

// What a reader has answered stays on the device, if its browser allows that.
const kept = {
  read(key) {
    try {
      return JSON.parse(localStorage.getItem(`unet:${key}`));
    } catch {
      return null;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(`unet:${key}`, JSON.stringify(value));
    } catch {
      // a private window, or a page from a file: then nothing is kept
    }
  },
};
