// Package imports has no code of its own. Its tests hold the order of the module's packages, who may import whom, and how
// long a file may be.
package imports

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "p2p-messaging"

// room is what a folder may import of this module. A name that ends in "/..." stands for a folder and all below it.
type room struct {
	folder string
	may    []string // in all of its files
	tests  []string // in its tests too
}

// rooms are the folders of the module, from the bottom to the top. A new package needs a row of its own, unless a
// pattern covers it; the row with the longest name counts. Go itself refuses circles, so packages under one pattern
// have an order in any case.
func rooms() []room {
	return []room{
		{folder: "messages/internal/jsontext"},
		{folder: "messages", may: []string{"messages/internal/jsontext"}},
		{folder: "messages/peerjs", may: []string{"messages", "messages/internal/jsontext"}},
		{folder: "actors", may: []string{"messages", "messages/peerjs"}},
		{folder: "actors/cluster", may: []string{"actors", "actors/cluster/routes", "messages", "messages/peerjs"}},
		{folder: "actors/cluster/etcdtest"},
		{folder: "actors/cluster/proof"},
		{folder: "actors/cluster/routes"},

		{folder: "transport/internal/...", may: []string{"transport/internal/..."}},
		{folder: "transport/arguments"},
		{folder: "transport/logs", tests: []string{"transport/internal/..."}},
		{folder: "transport/netns"},
		{folder: "transport", may: []string{"actors", "messages", "messages/peerjs", "transport/internal/..."}, tests: []string{"transport/client"}},
		{folder: "transport/client", may: []string{"messages", "transport/internal/frame"}, tests: []string{"actors", "transport"}},
		{folder: "transport/certificates", may: []string{"transport/internal/regular"}, tests: []string{"actors", "transport", "transport/internal/..."}},
		{folder: "transport/turn", may: []string{"messages", "transport/internal/files"}},
		{folder: "transport/auth", may: []string{"actors", "messages", "transport/arguments", "transport/internal/regular"}, tests: []string{"transport", "transport/client", "transport/internal/..."}},
		{folder: "transport/admin", may: []string{"actors", "actors/cluster", "actors/cluster/routes", "messages", "transport", "transport/turn"}, tests: []string{"transport/client", "transport/internal/...", "transport/service"}},
		{folder: "transport/options", may: []string{"actors", "actors/cluster", "actors/cluster/routes", "messages", "transport", "transport/arguments", "transport/auth", "transport/certificates", "transport/internal/regular", "transport/logs", "transport/turn"}},
		{folder: "transport/service", may: []string{"actors", "transport"}, tests: []string{"messages", "transport/client", "transport/internal/..."}},
		{folder: "transport/nodes", tests: []string{"actors", "actors/cluster", "actors/cluster/proof", "messages", "transport", "transport/admin", "transport/arguments", "transport/client", "transport/internal/...", "transport/netns", "transport/options", "transport/service"}},
		{folder: "transport/peerjs/conformance", may: []string{"transport/internal/rawws"}},
		{folder: "transport/probe", may: []string{"messages", "transport/arguments", "transport/client"}, tests: []string{"actors", "transport", "transport/internal/...", "transport/service", "transport/turn"}},
		{folder: "transport/chat", may: []string{"messages", "transport/arguments", "transport/client"}, tests: []string{"actors", "transport", "transport/internal/..."}},
		{folder: "transport/health", may: []string{"transport/arguments"}},
		{folder: "transport/version"},
		{folder: "transport/deploy", tests: []string{"transport/options"}},
		{folder: "transport/deploy/tools/..."},

		{folder: "transport/deploy/prometheus"},

		{folder: "transport/loadtest/options", may: []string{"messages", "transport/arguments", "transport/internal/regular"}},
		{folder: "transport/loadtest/figures", may: []string{"transport/loadtest/options"}, tests: []string{"transport/loadtest/internal/..."}},
		{folder: "transport/loadtest/machine", may: []string{"transport/loadtest/figures"}},
		{folder: "transport/loadtest/internal/sample", may: []string{"transport/loadtest/figures", "transport/loadtest/options"}},
		{folder: "transport/loadtest/internal/services", may: []string{"actors", "transport"}},
		{folder: "transport/loadtest/swarm", may: []string{"transport/internal/..."}},
		{folder: "transport/loadtest/load", may: []string{"messages", "transport/arguments", "transport/client", "transport/loadtest/figures", "transport/loadtest/options", "transport/loadtest/swarm"},
			tests: []string{"transport/loadtest/internal/..."}},
		{folder: "transport/loadtest/fleet", may: []string{"transport/loadtest/figures", "transport/loadtest/load", "transport/loadtest/machine", "transport/loadtest/options"},
			tests: []string{"transport", "transport/internal/...", "transport/loadtest/internal/..."}},
		{folder: "transport/loadtest/display", may: []string{"transport/loadtest/figures", "transport/loadtest/options"}, tests: []string{"transport/loadtest/internal/..."}},
		{folder: "transport/loadtest/report", may: []string{"transport/loadtest/display", "transport/loadtest/figures", "transport/loadtest/options"},
			tests: []string{"transport/loadtest/internal/..."}},
		{folder: "transport/loadtest", may: []string{"transport/arguments", "transport/loadtest/display", "transport/loadtest/figures", "transport/loadtest/fleet", "transport/loadtest/load", "transport/loadtest/options", "transport/loadtest/report"},
			tests: []string{"transport/loadtest/internal/..."}},
		{folder: "transport/loadtest/compare", may: []string{"transport/arguments", "transport/internal/selfsigned", "transport/loadtest/figures", "transport/loadtest/machine", "transport/loadtest/swarm"}, tests: []string{"transport/internal/..."}},

		{folder: "web", tests: []string{"actors", "messages", "transport", "transport/auth", "transport/chat", "transport/client", "transport/netns"}},
		{folder: ".", may: []string{"actors", "transport", "transport/admin", "transport/arguments", "transport/auth", "transport/chat", "transport/health", "transport/loadtest", "transport/options", "transport/probe", "transport/service", "transport/version", "web"},
			tests: []string{"messages", "transport/client", "transport/loadtest/figures", "transport/peerjs/conformance"}},
	}
}

func TestImportsRunOneWay(t *testing.T) {
	faults, err := check(os.DirFS("../../.."), rooms())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestAnImportThatRunsTheWrongWayIsNamed(t *testing.T) {
	order := []room{
		{folder: "low"},
		{folder: "high/inner/...", may: []string{"high/inner/..."}},
		{folder: "high", may: []string{"low", "high/inner/..."}, tests: []string{"high/helper"}},
		{folder: "high/helper"},
		{folder: "gone"},
	}
	faults, err := check(fstest.MapFS{
		"low/right.go":           {Data: []byte("package low\nimport \"fmt\"\nimport \"p2p-messaging-other/high\"")},
		"low/wrong.go":           {Data: []byte("//go:build windows\n\npackage low\nimport _ \"p2p-messaging/high\"")},
		"low/wrong_test.go":      {Data: []byte("package low_test\nimport \"p2p-messaging/low\"\nimport \"p2p-messaging/high\"")},
		"high/right.go":          {Data: []byte("package high\nimport (\"p2p-messaging/low\"; \"p2p-messaging/high/inner/deep\")")},
		"high/wrong.go":          {Data: []byte("package high\nimport \"p2p-messaging/high/helper\"")},
		"high/right_test.go":     {Data: []byte("package high\nimport \"p2p-messaging/high/helper\"")},
		"high/helper/helper.go":  {Data: []byte("package helper")},
		"high/inner/deep/w.go":   {Data: []byte("package deep\nimport \"p2p-messaging/high\"")},
		"new/new.go":             {Data: []byte("package new")},
		"node_modules/x/x.go":    {Data: []byte("package x\nimport \"p2p-messaging/high\"")},
		"low/testdata/broken.go": {Data: []byte("package")},
	}, order)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"high/inner/deep/w.go imports high, and that runs the wrong way: high/inner/... may import only high/inner/...",
		"high/wrong.go imports high/helper, and that runs the wrong way: high may import only low, high/inner/...",
		"low/wrong.go imports high, and that runs the wrong way: low may import nothing of this module",
		"low/wrong_test.go imports high, and that runs the wrong way: low may import nothing of this module",
		"new has no row in the table of rooms: add one that says what it may import",
		"gone has a row in the table of rooms, but no such package exists: remove the row",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("the faults are\n%s\nwanted\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
}

// maxLines bounds how long a file of Go may be, so that it is about one thing. Tests may be longer.
const maxLines = 500

func TestNoFileIsLong(t *testing.T) {
	faults, err := checkLengths(os.DirFS("../../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestALongFileIsNamed(t *testing.T) {
	lines := func(count int, end string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Repeat("\n", count-1) + "//" + end)}
	}
	faults, err := checkLengths(fstest.MapFS{
		"right.go":              lines(maxLines, "\n"),
		"long.go":               lines(maxLines+1, "\n"),
		"high/unended.go":       lines(maxLines+1, ""),
		"high/long_windows.go":  lines(2*maxLines, "\n"),
		"high/long_test.go":     lines(2*maxLines, "\n"),
		"high/testdata/long.go": lines(2*maxLines, "\n"),
		"vendor/x/long.go":      lines(2*maxLines, "\n"),
		"node_modules/x/x.go":   lines(2*maxLines, "\n"),
		"README.md":             lines(2*maxLines, "\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"high/long_windows.go has 1000 lines, and 500 are the most: cut it by what changes together",
		"high/unended.go has 501 lines, and 500 are the most: cut it by what changes together",
		"long.go has 501 lines, and 500 are the most: cut it by what changes together",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("the faults are\n%s\nwanted\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
}

// checkLengths returns a sentence for each file of fsys, the module's folder, that is longer than maxLines.
func checkLengths(fsys fs.FS) (faults []string, err error) {
	err = walk(fsys, func(name string) error {
		if strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(fsys, name)
		if count := len(slices.Collect(strings.Lines(string(source)))); count > maxLines {
			faults = append(faults, fmt.Sprintf("%s has %d lines, and %d are the most: cut it by what changes together", name, count, maxLines))
		}
		return err
	})
	return faults, err
}

// walk calls visit with each file of Go that is the module's own, those of every operating system.
func walk(fsys fs.FS, visit func(name string) error) error {
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != "." && (strings.ContainsAny(base[:1], "._") || base == "testdata" || base == "node_modules" || base == "vendor") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		return visit(name)
	})
}

// check returns a sentence for each import of fsys, the module's folder, that order does not allow.
func check(fsys fs.FS, order []room) (faults []string, err error) {
	used := map[string]bool{}
	unknown := map[string]bool{}
	err = walk(fsys, func(name string) error {
		folder := path.Dir(name)
		row, ok := find(order, folder)
		if !ok {
			if !unknown[folder] {
				unknown[folder] = true
				faults = append(faults, folder+" has no row in the table of rooms: add one that says what it may import")
			}
			return nil
		}
		used[row.folder] = true
		allowed := row.may
		if strings.HasSuffix(name, "_test.go") {
			allowed = slices.Concat(row.may, row.tests, []string{folder})
		}
		imported, err := importsOf(fsys, name)
		for _, i := range imported {
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, i) }) {
				faults = append(faults, fmt.Sprintf("%s imports %s, and that runs the wrong way: %s may import %s", name, i, row.folder, words(row.may)))
			}
		}
		return err
	})
	for _, r := range order {
		if !used[r.folder] {
			faults = append(faults, r.folder+" has a row in the table of rooms, but no such package exists: remove the row")
		}
	}
	return faults, err
}

// find returns the row of a folder: of those that match, the one with the longest name.
func find(order []room, folder string) (found room, ok bool) {
	for _, r := range order {
		if matches(r.folder, folder) && (!ok || len(r.folder) > len(found.folder)) {
			found, ok = r, true
		}
	}
	return found, ok
}

func matches(pattern, folder string) bool {
	top, below := strings.CutSuffix(pattern, "/...")
	return folder == top || below && strings.HasPrefix(folder, top+"/")
}

// importsOf returns the folders of this module that a file imports.
func importsOf(fsys fs.FS, name string) ([]string, error) {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, i := range file.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, err
		}
		if imported == module {
			folders = append(folders, ".")
		} else if folder, ok := strings.CutPrefix(imported, module+"/"); ok {
			folders = append(folders, folder)
		}
	}
	return folders, nil
}

func words(folders []string) string {
	if len(folders) == 0 {
		return "nothing of this module"
	}
	return "only " + strings.Join(folders, ", ")
}
