/** Light or dark: what the system says, until the button says otherwise. */

const KEY = "sedtalker-studio-theme";
const system = matchMedia("(prefers-color-scheme: light)");

/** @returns {"light" | "dark"} */
const ofSystem = () => (system.matches ? "light" : "dark");

/** @returns {"light" | "dark"} */
function theme() {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : ofSystem();
}

/** @param {() => void} changed called at the beginning and after every change */
export function startTheme(changed) {
  const apply = () => {
    document.documentElement.dataset.theme = theme();
    changed();
  };
  system.addEventListener("change", apply);
  document.getElementById("theme")?.addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    // Following the system again is a choice too: the key goes when both agree.
    if (next === ofSystem()) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
    apply();
  });
  apply();
}

/** @param {string} name of a custom property @returns {string} its value */
export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
