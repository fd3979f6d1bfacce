// What `npm run css` keeps of Bootstrap: the rules for elements, and the rules for classes that the page's sources name.
module.exports = {
  css: ["node_modules/bootstrap/dist/css/bootstrap.css"],
  content: ["index.html", "src/**/*.ts"],
  skippedContentGlobs: ["src/**/*.test.ts", "src/**/*.fixture.ts", "src/words.ts"], // prose is full of class names: "table", "card"
  keyframes: true,
};
