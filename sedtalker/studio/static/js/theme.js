/** Light or dark: what the system says, until the button says otherwise. */

const KEY = "sedtalker-studio-theme";
const system = matchMedia("(prefers-color-scheme: light)");

/** @returns {"light" | "dark"} */
export function theme() {
  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") return kept;
  return system.matches ? "light" : "dark";
}

/** @param {() => void} [changed] called after every change */
export function startTheme(changed = () => {}) {
  const apply = () => {
    document.documentElement.dataset.theme = theme();
    changed();
  };
  system.addEventListener("change", apply);
  document.getElementById("theme")?.addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    // Following the system again is a choice too: the key goes when both agree.
    if (next === (system.matches ? "light" : "dark")) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
    apply();
  });
  apply();
}

/** @param {string} name of a custom property @returns {string} its value */
export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
