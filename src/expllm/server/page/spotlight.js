/**
 * Links what belongs together: a claim of the text, the bars of its action units, their regions of the face.
 * Each part registers its elements; when one is pointed at or focused, all that share a unit light up.
 */
export class Spotlight {
  #members = [];
  #pinned = null;

  /**
   * @param {Element} element
   * @param {string[]} units names of the action units that it is about
   * @param {Object} options `claim`: it is a claim; a bar lights the claims of its unit, a claim not the other claims.
   *   `shown(lit)` is called besides.
   */
  add(element, units, { claim = false, shown = null, source = true } = {}) {
    const member = { element, units: new Set(units), claim, shown };
    this.#members.push(member);
    if (!source) return;
    element.addEventListener("pointerenter", () => this.#light(member));
    element.addEventListener("pointerleave", () => this.#light(this.#pinned));
    element.addEventListener("focus", () => this.#light(member));
    element.addEventListener("blur", () => this.#light(this.#pinned));
    element.addEventListener("click", () => this.#pin(member));
    if (element.getAttribute("role") === "button") {
      element.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        this.#pin(member);
      });
    }
  }

  /** Forgets everything. */
  clear() {
    this.#members = [];
    this.#pinned = null;
  }

  #pin(member) {
    this.#pinned = this.#pinned === member ? null : member;
    for (const { element } of this.#members) {
      if (element.hasAttribute("aria-pressed")) {
        element.setAttribute("aria-pressed", String(element === this.#pinned?.element));
      }
    }
    this.#light(member);
  }

  #light(source) {
    for (const member of this.#members) {
      const shares = source !== null && [...member.units].some((unit) => source.units.has(unit));
      const lit = member === source || (shares && !(member.claim && source.claim));
      member.element.classList.toggle("lit", lit);
      member.shown?.(lit, member === source);
    }
  }
}
