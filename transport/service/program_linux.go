package service

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the program's file out of the memory of the process. Most of them are used once, when the process
// starts and each package registers what it has, and would count as its resident memory for good. A page that is used again comes from
// the system's cache, or from the file. Where the system does not tell what is in memory, forgetProgram does nothing.
func forgetProgram() {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer smaps.Close()
	for _, m := range unchangedMappings(smaps, path) {
		// After an error the memory stays as it is.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// unchangedMappings returns where the file at path is mapped and the memory is as the file is. smaps has the format of /proc/PID/smaps
// (proc_pid_smaps(5)). A mapping that can be written to is not among them. Neither is one in which a page was changed, and may have been
// swapped out since: a dynamic linker changes pages before it makes them read-only. QEMU says that nothing is in memory, whatever is.
func unchangedMappings(smaps io.Reader, path string) (found []mapping) {
	var m mapping
	var readOnly, inMemory, unchanged bool
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		none := strings.TrimSpace(value) == "0 kB"
		switch {
		case name == "Rss":
			inMemory = !none
		case name == "Anonymous":
			unchanged = none
		case name == "Swap":
			if readOnly && inMemory && unchanged && none {
				found = append(found, m)
			}
		case strings.Contains(name, " "): // the line with which a mapping begins
			next, permissions, ok := parseMapping(lines.Text())
			m, readOnly = next, ok && strings.HasPrefix(permissions, "r-") && strings.HasSuffix(lines.Text(), " "+path)
			inMemory, unchanged = false, false
		}
	}
	return found
}

// parseMapping reads the line with which a mapping begins: START-END PERMISSIONS OFFSET DEVICE INODE PATH.
func parseMapping(line string) (m mapping, permissions string, ok bool) {
	addresses, rest, _ := strings.Cut(line, " ")
	start, end, ok := strings.Cut(addresses, "-")
	if !ok {
		return mapping{}, "", false
	}
	permissions, _, _ = strings.Cut(rest, " ")
	for address, value := range map[string]*uintptr{start: &m.start, end: &m.end} {
		n, err := strconv.ParseUint(address, 16, strconv.IntSize)
		if err != nil {
			return mapping{}, "", false
		}
		*value = uintptr(n)
	}
	return m, permissions, true
}
