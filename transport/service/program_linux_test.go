package service

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/procfs"
)

func TestOnlyMappingsThatAreAsTheFileIsAreForgotten(t *testing.T) {
	t.Parallel()
	sizes := func(rss, anonymous, swap string) string {
		return "Size:                400 kB\nRss:                 " + rss + " kB\nAnonymous:          " + anonymous +
			" kB\nAnonHugePages:         0 kB\nSwap:                " + swap + " kB\nSwapPss:               0 kB\nVmFlags: rd mr mw me sd\n"
	}
	entry := func(header, anonymous string) string { return header + "\n" + sizes("400", anonymous, "0") }
	const code = "00400000-02aaf000 r-xp 00000000 fe:01 41                                 /opt/the service"
	for _, test := range []struct {
		name, smaps string
		found       bool
	}{
		{"code", entry(code, "0"), true},
		{"constants", entry("02aaf000-04d5a000 r--p 026af000 fe:01 41      /opt/the service", "0"), true},
		{"constants that a dynamic linker has changed", entry("02aaf000-04d5a000 r--p 026af000 fe:01 41      /opt/the service", "8"), false},
		{"code with a breakpoint", entry(code, "4"), false},
		{"variables", entry("04d5a000-04e00000 rw-p 04959000 fe:01 41      /opt/the service", "0"), false},
		{"another file", entry("7f0000000000-7f0000001000 r-xp 00000000 fe:01 9   /usr/lib/x.so", "0"), false},
		{"a file of a name that ends alike", entry("7f0000000000-7f0000001000 r-xp 00000000 fe:01 9   /usr/opt/the service.so", "0"), false},
		{"memory without a file", entry("c000000000-c000400000 r--p 00000000 00:00 0", "0"), false},
		{"memory that the system names", entry("7ffc0000-7ffd0000 r-xp 00000000 00:00 0      [vdso]", "0"), false},
		{"no address", entry("0040000x-02aaf000 r-xp 00000000 fe:01 41     /opt/the service", "0"), false},
		{"code that was changed and swapped out", code + "\n" + sizes("396", "0", "4"), false},
		{"nothing of it is in memory", code + "\n" + sizes("0", "0", "0"), false},
		{"nothing is said of changes", code + "\nRss: 4 kB\nSwap: 0 kB\n", false},
		{"nothing is said of what is in memory", code + "\nAnonymous: 0 kB\nSwap: 0 kB\n", false},
		{"nothing is said of what was swapped out", code + "\nRss: 4 kB\nAnonymous: 0 kB\n", false},
		{"the next mapping cannot be read", code + "\nRss: 4 kB\nAnonymous: 8 kB\n" + entry("0040000x-02aaf000 r-xp 00000000 fe:01 41     /opt/the service", "0"), false},
		{"nothing", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found := unchangedMappings(strings.NewReader(test.smaps), "/opt/the service")
			if len(found) > 1 || len(found) == 1 != test.found {
				t.Errorf("found %x, want one: %t", found, test.found)
			}
		})
	}
	all := unchangedMappings(strings.NewReader(entry(code, "0")+entry("02aaf000-04d5a000 r--p 026af000 fe:01 41 /opt/the service", "0")), "/opt/the service")
	if want := []mapping{{0x400000, 0x2aaf000}, {0x2aaf000, 0x4d5a000}}; !slices.Equal(all, want) {
		t.Errorf("found %x, want %x", all, want)
	}
}

func TestWhatTheStartNeededOfTheProgramLeavesMemory(t *testing.T) {
	for name, act := range map[string]func(t *testing.T){
		"when the start is over": func(t *testing.T) {
			s, _ := start(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			s.Wait(ctx)
		},
		"when clients come and go no more": func(t *testing.T) {
			t.Setenv("GOGC", "")
			synctest.Test(t, func(t *testing.T) {
				defer SetCollector()()
				k := kept{make([]byte, 4<<20)}
				time.Sleep(lookInterval + time.Second)
				runtime.KeepAlive(k)
				time.Sleep(3 * lookInterval)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := programInMemory(t)
			act(t)
			after := residentFiles(t)
			if after > before*3/4 { // what goes on running is in memory again
				t.Errorf("%d bytes of the program are in memory, and %d were; wanted three quarters at most", after, before)
			}
		})
	}
}

// programInMemory has the whole program in memory, and returns how many bytes of files that makes.
func programInMemory(t *testing.T) uint64 {
	t.Helper()
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for _, m := range unchangedMappings(bytes.NewReader(smaps), path) {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(memory, int64(m.start), int64(m.end-m.start))); err != nil {
			t.Fatal(err)
		}
	}
	return residentFiles(t)
}

// residentFiles returns how many bytes of files the process has in memory.
func residentFiles(t *testing.T) uint64 {
	t.Helper()
	self, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	status, err := self.NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	if status.RssFile == 0 {
		t.Skip("this system does not say how much of files is in memory")
	}
	return status.RssFile
}
