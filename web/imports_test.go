package web_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// sourceRoom is a folder of src, or a file directly in it (without its ending), and the rooms that it may import from.
type sourceRoom struct {
	name string
	may  []string
}

// sourceRooms are the rooms of the page's sources, from the top to the bottom. A room may import from its own files and
// from the rooms named here. Imports of types count too. identity knows conversation, which has the page's one database.
func sourceRooms() []sourceRoom {
	return []sourceRoom{
		{"main", []string{"view", "messenger", "call", "identity", "conversation", "files", "signaling", "settings", "words", "characters", "sizes"}},
		{"view", []string{"messenger", "call", "identity", "conversation", "files", "signaling", "settings", "words", "characters", "sizes"}},
		{"messenger", []string{"call", "identity", "conversation", "files", "signaling", "settings", "words", "characters", "sizes"}},
		{"call", []string{"identity", "conversation", "files", "signaling", "settings", "words", "characters", "sizes"}},
		{"identity", []string{"conversation", "signaling", "settings", "words", "characters", "sizes"}},
		{"conversation", []string{"files", "signaling", "settings", "words", "characters", "sizes"}},
		{"files", []string{"signaling", "settings", "words", "characters", "sizes"}},
		{"signaling", []string{"settings", "words", "characters", "sizes"}},
		{"settings", []string{"words", "characters", "sizes"}},
		{"words", []string{"characters", "sizes"}},
		{"characters", nil},
		{"sizes", nil},
	}
}

func TestThePagesImportsRunOneWay(t *testing.T) {
	t.Parallel()
	faults, err := checkSources(os.DirFS("src"), sourceRooms())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestAnImportOfThePageThatRunsTheWrongWayIsNamed(t *testing.T) {
	t.Parallel()
	order := []sourceRoom{{"main", []string{"high", "low"}}, {"high", []string{"low", "words"}}, {"low", []string{"words"}}, {"words", nil}}
	source := func(lines ...string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(strings.Join(lines, "\n"))} }
	faults, err := checkSources(fstest.MapFS{
		"main.ts":           source(`import "../vendor/style.css";`, `import {`, `  a,`, `} from "./high/right.js";`, `export * from "./words.js";`),
		"high/right.ts":     source(`import { html } from "../../vendor/lit.js";`, `import { b } from "../low/right.js";`),
		"low/right.ts":      source(`import test from "node:test";`, `// import { a } from "../high/right.js" would be wrong`, `import { w } from "../words.js";`),
		"low/typed.ts":      source(`import type { A } from '../high/right.js';`),
		"low/later.ts":      source(`const a = await import("../high/right.js");`),
		"low/wrong.test.ts": source(`import "../high/right.js";`),
		"low/a.ts":          source(`import "./b.js";`),
		"low/b.ts":          source(`export type { C } from "./c.js";`),
		"low/c.ts":          source(`import type { A } from "./a.js";`, `import "./right.js";`),
		"low/itself.ts":     source(`import "./itself.js";`),
		"low/gone.ts":       source(`import "./nothing.js";`),
		"words.ts":          source(`/* import "./main.js"; */`),
		"new/new.ts":        source(``),
	}, order)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`low/gone.ts imports "./nothing.js", which does not exist`,
		"low/later.ts imports high/right.ts, and that runs the wrong way: low may import only words",
		"low/typed.ts imports high/right.ts, and that runs the wrong way: low may import only words",
		"low/wrong.test.ts imports high/right.ts, and that runs the wrong way: low may import only words",
		"main.ts imports words.ts, and that runs the wrong way: main may import only high, low",
		"new/new.ts is in no room: give new a row in sourceRooms",
		"these files import each other in a circle: low/a.ts, low/b.ts, low/c.ts",
		"these files import each other in a circle: low/itself.ts",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("the faults are\n%s\nwanted\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
}

var (
	// sourceComments matches comments, and strings so that a comment's mark in a string is not taken for one.
	sourceComments = regexp.MustCompile(`(?s)"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|` + "`(?:[^`\\\\]|\\\\.)*`" + `|//[^\n]*|/\*.*?\*/`)
	// sourceImports matches the file that an import, an export or an import at run time names.
	sourceImports = regexp.MustCompile(`\b(?:from|import)\s*\(?\s*["'](\.[^"']*)["']`)
)

// checkSources returns a sentence for each import of the TypeScript files of fsys that order does not allow, and for each
// circle of files.
func checkSources(fsys fs.FS, order []sourceRoom) (faults []string, err error) {
	rooms := map[string][]string{}
	for _, r := range order {
		rooms[r.name] = r.may
	}
	imports := map[string][]string{} // by file
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".ts" {
			return err
		}
		imports[name] = nil
		room := roomOf(name)
		may, ok := rooms[room]
		if !ok {
			faults = append(faults, fmt.Sprintf("%s is in no room: give %s a row in sourceRooms", name, room))
			return nil
		}
		source, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		for _, specifier := range specifiers(string(source)) {
			imported := path.Join(path.Dir(name), strings.TrimSuffix(specifier, ".js")+".ts")
			if path.Ext(specifier) != ".js" || strings.HasPrefix(imported, "../") {
				continue // a style sheet, or a library
			}
			if _, err := fs.Stat(fsys, imported); err != nil {
				faults = append(faults, fmt.Sprintf("%s imports %q, which does not exist", name, specifier))
				continue
			}
			if to := roomOf(imported); to != room && !slices.Contains(may, to) {
				allowed := "nothing"
				if len(may) > 0 {
					allowed = "only " + strings.Join(may, ", ")
				}
				faults = append(faults, fmt.Sprintf("%s imports %s, and that runs the wrong way: %s may import %s", name, imported, room, allowed))
			}
			imports[name] = append(imports[name], imported)
		}
		return nil
	})
	return append(faults, circles(imports)...), err
}

// specifiers returns the relative file names that a source imports.
func specifiers(source string) []string {
	code := sourceComments.ReplaceAllStringFunc(source, func(match string) string {
		if strings.HasPrefix(match, "/") {
			return " "
		}
		return match
	})
	var found []string
	for _, match := range sourceImports.FindAllStringSubmatch(code, -1) {
		found = append(found, match[1])
	}
	return found
}

// roomOf returns the room of a file: its top folder, or its own name if it is in none. A test belongs to what it tests.
func roomOf(name string) string {
	top, _, inFolder := strings.Cut(name, "/")
	if inFolder {
		return top
	}
	return strings.TrimSuffix(strings.TrimSuffix(top, ".ts"), ".test")
}

// circles names each set of files that import each other within a room. Between rooms there is none, because their order
// has none.
func circles(imports map[string][]string) []string {
	reach := map[string]map[string]bool{}
	for file := range imports {
		reached := map[string]bool{}
		for queue := []string{file}; len(queue) > 0; queue = queue[1:] {
			for _, next := range imports[queue[0]] {
				if !reached[next] && roomOf(next) == roomOf(file) {
					reached[next] = true
					queue = append(queue, next)
				}
			}
		}
		reach[file] = reached
	}
	found := map[string]bool{}
	for file := range imports {
		var members []string
		for other := range reach[file] {
			if reach[other][file] {
				members = append(members, other)
			}
		}
		if len(members) > 0 {
			slices.Sort(members)
			found["these files import each other in a circle: "+strings.Join(members, ", ")] = true
		}
	}
	sentences := make([]string, 0, len(found))
	for sentence := range found {
		sentences = append(sentences, sentence)
	}
	slices.Sort(sentences)
	return sentences
}
