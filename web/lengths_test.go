package web_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// maxLines bounds how long a source of the page may be, so that it is about one thing. Tests may be longer.
const maxLines = 500

// tables are the sources that may be longer, because they are tables.
func tables() []string { return []string{"words.ts"} }

func TestNoSourceOfThePageIsLong(t *testing.T) {
	t.Parallel()
	faults, err := checkLengths(os.DirFS("src"), tables())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestALongSourceOfThePageIsNamed(t *testing.T) {
	t.Parallel()
	lines := func(count int, end string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Repeat("\n", count-1) + "//" + end)}
	}
	faults, err := checkLengths(fstest.MapFS{
		"main.ts":           lines(maxLines, "\n"),
		"words.ts":          lines(2*maxLines, "\n"),
		"high/words.ts":     lines(2*maxLines, "\n"),
		"high/long.test.ts": lines(2*maxLines, "\n"),
		"high/unended.ts":   lines(maxLines+1, ""),
		"low/long.css":      lines(maxLines+1, "\n"),
	}, append(tables(), "gone.ts"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"high/unended.ts has 501 lines, and 500 are the most: cut it by what changes together",
		"high/words.ts has 1000 lines, and 500 are the most: cut it by what changes together",
		"low/long.css has 501 lines, and 500 are the most: cut it by what changes together",
		"gone.ts is a table that does not exist, or is not longer than other files: remove it from tables",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("the faults are\n%s\nwanted\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
}

// checkLengths returns a sentence for each file of fsys that is longer than maxLines, unless it is a test or one of tables.
func checkLengths(fsys fs.FS, tables []string) (faults []string, err error) {
	var long []string
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".test"+path.Ext(name)) {
			return err
		}
		source, err := fs.ReadFile(fsys, name)
		count := strings.Count(strings.TrimSuffix(string(source), "\n"), "\n") + 1
		switch {
		case count <= maxLines:
		case slices.Contains(tables, name):
			long = append(long, name)
		default:
			faults = append(faults, fmt.Sprintf("%s has %d lines, and %d are the most: cut it by what changes together", name, count, maxLines))
		}
		return err
	})
	for _, table := range tables {
		if !slices.Contains(long, table) {
			faults = append(faults, table+" is a table that does not exist, or is not longer than other files: remove it from tables")
		}
	}
	return faults, err
}
