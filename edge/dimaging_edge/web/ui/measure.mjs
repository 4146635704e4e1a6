// @ts-check
/** The tab that measures this device, in the JSON of `dimaging-edge bench`. */
import { figureOf, make, outlets, table, working } from "./dom.mjs";
import { environment } from "../environment.mjs";

/** @param {import("../app.mjs").Page} page */
export function measureTab(page) {
  const token = new URLSearchParams(location.hash.split("?")[1] ?? "").get("token");
  const model = make("select", { id: "measured" }, ...page.listing.bundles.map((/** @type {any} */ one) => make("option", { value: one.name }, one.name)));
  const seconds = make("select", { id: "seconds" }, ...[3, 1, 30].map((value) => make("option", { value }, `${value} s a graph`)));
  const budget = make("input", { type: "number", id: "budget", min: 0, step: "any", placeholder: "none" });
  const button = make("button", { type: "button", className: "main" }, "Measure");
  const result = make("section", { "aria-label": "Result" });
  button.onclick = async () => {
    button.disabled = true;
    const args = { name: model.value, seconds: Number(seconds.value), most: Number(budget.value) || null };
    const report = await working(result, "Measuring", async (options) => {
      const device = await environment(page.client.threads, page.listing);
      return page.client.call("bench", { ...args, environment: device }, options);
    });
    button.disabled = false;
    if (report) result.replaceChildren(...describe(report, token));
  };
  return [
    make("h1", {}, "Measure this device"),
    make("p", { className: "soft" }, "Every graph of a model on its own examples. The ratio to a fixed convolution, timed in turns, says more than milliseconds do. For heat, take 30 s and compare the first and the last quarter."),
    make(
      "div", { className: "fields" },
      make("div", {}, make("label", { for: "measured" }, "Model"), model),
      make("div", {}, make("label", { for: "seconds" }, "For"), seconds),
      make("div", {}, make("label", { for: "budget" }, "Budget, x reference"), budget),
    ),
    make("div", { className: "row" }, button),
    result,
  ];
}

/**
 * @param {any} report
 * @param {string | null} token
 */
function describe(report, token) {
  const text = JSON.stringify(report);
  const env = report.environment;
  const name = `${report.model}-${new Date().toISOString().slice(0, 10)}.json`;
  const said = make("p", { role: "status" });
  const send = make("button", { type: "button" }, "Send to the computer");
  send.onclick = async () => {
    const headers = { "Content-Type": "application/json" };
    try {
      const answer = await fetch(`collect/${token}`, { method: "POST", headers, body: text });
      said.textContent = await answer.text();
    } catch {
      said.textContent = "The computer does not answer; save the file instead.";
    }
  };
  return [
    make("h2", {}, `${report.model} ${report.precision}`),
    table(
      [
        ["graph", "p50 ms", "p90 ms", "first ms", "load ms", "x reference", "99 % interval", "verdict", "last / first"],
        ...report.graphs.map((/** @type {any} */ one, /** @type {number} */ i) => {
          const { ratio: { ratio, low, high }, verdict } = report.gates[i];
          return [
            one.graph, figureOf(one.latency_ms.p50), figureOf(one.latency_ms.p90), figureOf(one.fresh.first_ms, 1),
            figureOf(one.fresh.session_ms, 1), figureOf(ratio, 3), `${figureOf(low, 3)} to ${figureOf(high, 3)}`, verdict,
            figureOf(one.last_part_per_s / one.first_part_per_s),
          ];
        }),
      ],
      "Times of each graph",
    ),
    make("p", { className: "soft" }, `${env.cpu ?? env.system}, ${env.threads} of ${env.cores} threads, ${env.browser}, clock ${Math.round(env.clock_ns / 1000)} µs`),
    outlets(new Blob([text], { type: "application/json" }), name),
    ...(token ? [make("div", { className: "row" }, send), said] : []),
  ];
}
