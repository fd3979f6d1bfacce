package service

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestOnlyMappingsThatAreAsTheFileIsAreForgotten(t *testing.T) {
	t.Parallel()
	entry := func(header, anonymous string) string {
		return header + "\nSize:                400 kB\nRss:                 400 kB\nAnonymous:          " + anonymous + " kB\nVmFlags: rd mr mw me sd\n"
	}
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
		{"nothing is said of changes", code + "\nRss: 4 kB\n", false},
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

func TestWhatTheStartNeededOfTheProgramIsForgotten(t *testing.T) {
	before := programInMemory(t)
	if before == 0 {
		t.Skip("this system does not say how much memory the program takes")
	}
	forgetProgram()
	if after := programInMemory(t); after >= before {
		t.Errorf("the program takes %d kB, and took %d before", after, before)
	}
}

// programInMemory returns how many kilobytes of files the process has in memory.
func programInMemory(t *testing.T) (kilobytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kilobytes); n == 1 {
			return kilobytes
		}
	}
	return 0
}
