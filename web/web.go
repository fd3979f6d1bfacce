// Package web carries the client: the page that a browser gets from the service, and that also opens from
// disk (index.html in this folder). The page is written in TypeScript under src/ and bundled by esbuild, a
// Go tool of this module; app.js and app.css are its committed output.
package web

import (
	"embed"
	"io/fs"
)

//go:generate go tool esbuild src/main.ts --bundle --minify --format=iife --target=chrome115,firefox115 --legal-comments=eof --outfile=app.js
//go:generate go tool esbuild src/view/page.css --bundle --minify --target=chrome115,firefox115 --outfile=app.css

//go:embed index.html app.js app.css icon.svg
var files embed.FS

// Files returns the client's files; index.html is the page.
func Files() fs.FS { return files }
