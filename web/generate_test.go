package web_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"p2p-messaging/web"
)

// maxCompressedBytes bounds what a first visit loads.
const maxCompressedBytes = 100_000

func TestGeneratingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("web.go")
	if err != nil {
		t.Fatal(err)
	}
	generated := 0
	for line := range strings.Lines(string(source)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate ")
		if !ok {
			continue
		}
		arguments := strings.Fields(command)
		var committed, fresh string
		for i, argument := range arguments {
			if name, ok := strings.CutPrefix(argument, "--outfile="); ok {
				committed, fresh = name, filepath.Join(t.TempDir(), name)
				arguments[i] = "--outfile=" + fresh
			}
		}
		if committed == "" {
			t.Fatalf("%q writes no file", command)
		}
		if output, err := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q failed: %v\n%s", command, err, output)
		}
		want, err := os.ReadFile(fresh)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(committed)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what its sources make: run go generate ./web", committed)
		}
		generated++
	}
	if generated == 0 {
		t.Error("web.go generates nothing")
	}
}

func TestThePageIsSmall(t *testing.T) {
	t.Parallel()
	total := 0
	err := fs.WalkDir(web.Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(web.Files(), name)
		if err != nil {
			return err
		}
		var compressed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		t.Logf("%s: %d bytes, %d compressed", name, len(body), compressed.Len())
		total += compressed.Len()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > maxCompressedBytes {
		t.Errorf("the page is %d bytes compressed, want %d at most", total, maxCompressedBytes)
	}
}

// The page must open from disk, where nothing but its own folder is at hand.
func TestThePageNamesNoOtherHost(t *testing.T) {
	t.Parallel()
	index, err := fs.ReadFile(web.Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"http://", "https://", `="/`, "<style", "onclick=", "type=\"module\""} {
		if bytes.Contains(index, []byte(unwanted)) {
			t.Errorf("index.html has %q in it", unwanted)
		}
	}
}
