// Class probabilities as bars, and the answer in words.

import { $, node, percent } from "./dom.js";

export class Answer {
  /** @param {string[]} names of the classes */
  constructor(names) {
    this.names = names;
    this.rows = names.map((name) => {
      const bar = node("i");
      const value = node("span");
      return { bar, value, row: node("li", {}, node("b", { textContent: name }), node("div", { className: "track" }, bar), value) };
    });
    $("probabilities").replaceChildren(...this.rows.map(({ row }) => row));
    this.speaking = 0;
  }

  /** @param {number[]} probabilities @param {string | null} doubt why the drawing is not a digit */
  show(probabilities, doubt) {
    const best = probabilities.indexOf(Math.max(...probabilities));
    this.rows.forEach(({ row, bar, value }, number) => {
      bar.style.transform = `scaleX(${probabilities[number]})`;
      value.textContent = percent(probabilities[number]);
      row.classList.toggle("best", number === best);
    });
    const guess = `${this.names[best]} (${percent(probabilities[best])})`;
    this.say(doubt ? `No digit: ${doubt}; most like ${guess}` : guess, this.names[best]);
    return best;
  }

  /** @param {string} text */
  showNothing(text) {
    this.rows.forEach(({ row, bar, value }) => {
      bar.style.transform = "scaleX(0)";
      value.textContent = "";
      row.classList.remove("best");
    });
    this.say(text, "–");
  }

  /** Show the text at once; announce it to screen readers when drawing pauses. */
  say(text, symbol) {
    $("answer-symbol").textContent = symbol;
    $("answer-text").textContent = text;
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => ($("spoken").textContent = `Answer: ${text}`), 700);
  }
}
