package service

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram gives up the memory in which the process has its program. Most of it is used once, when
// the process starts and each package registers what it has, and would stay in memory for good. What is used again is in memory again: the
// system has kept it, or reads it from the file. Where the system does not tell what is in memory, forgetProgram does nothing.
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
// (proc_pid_smaps(5)). A mapping that can be written to is not among them. Neither is one in which a page was changed: a dynamic
// linker changes pages before it makes them read-only.
func unchangedMappings(smaps io.Reader, path string) (found []mapping) {
	var m mapping
	readOnly := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		if size, ok := strings.CutPrefix(line, "Anonymous:"); ok && readOnly && strings.TrimSpace(size) == "0 kB" {
			found = append(found, m)
		} else if next, permissions, ok := parseMapping(line); ok {
			m, readOnly = next, strings.HasPrefix(permissions, "r-") && strings.HasSuffix(line, " "+path)
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
