const { readFileSync, readdirSync } = require("node:fs");

const styles = readdirSync("src/view").filter((name) => name.endsWith(".css")).map((name) => readFileSync(`src/view/${name}`, "utf8")).join("");

// What `npm run css` keeps of Bootstrap: the rules for elements, the rules for classes that the page's sources name, and the variables in use.
module.exports = {
  css: ["node_modules/bootstrap/dist/css/bootstrap.css"],
  content: ["index.html", "src/**/*.ts"],
  skippedContentGlobs: ["src/**/*.test.ts", "src/**/*.fixture.ts", "src/words.ts"], // prose is full of class names: "table", "card"
  keyframes: true,
  variables: true,
  safelist: { variables: [...styles.matchAll(/var\((--bs-[\w-]+)/gu)].map(([, name]) => name) },
};
