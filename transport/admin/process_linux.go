package admin

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"
)

// process reads the metrics of the process. Its files stay open, so that they can be read when the process has no file to spare.
type process struct {
	stat, netstat, descriptors *os.File
	buf                        []byte

	values map[string]*float64
}

// newProcess returns what changes the values of these families, or nil if the system does not tell them. The other families never
// change.
func newProcess(families []*dto.MetricFamily) *process {
	p := &process{buf: make([]byte, 16<<10), values: map[string]*float64{}}
	for _, name := range []string{
		"process_cpu_seconds_total", "process_virtual_memory_bytes", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
		"process_virtual_memory_max_bytes", "process_network_receive_bytes_total", "process_network_transmit_bytes_total",
	} {
		p.values[name] = new(float64) // for what families lack
	}
	for _, f := range families {
		p.values[f.GetName()] = valueOf(f.Metric[0])
	}
	for name, file := range map[string]**os.File{"stat": &p.stat, "net/netstat": &p.netstat, "fd": &p.descriptors} {
		var err error
		if *file, err = os.Open("/proc/self/" + name); err != nil {
			return nil
		}
	}
	return p
}

// read changes the values to what they are now. A value that cannot be read stays.
func (p *process) read() {
	p.readStat(p.content(p.stat))
	p.readNetstat(p.content(p.netstat))
	if n, ok := p.countDescriptors(); ok {
		*p.values["process_open_fds"] = float64(n)
	}
	for name, resource := range map[string]int{"process_max_fds": unix.RLIMIT_NOFILE, "process_virtual_memory_max_bytes": unix.RLIMIT_AS} {
		var limit unix.Rlimit
		if unix.Getrlimit(resource, &limit) == nil {
			*p.values[name] = float64(limit.Cur)
		}
	}
}

// content returns what a file says now, until the next call.
func (p *process) content(f *os.File) []byte {
	n, err := f.ReadAt(p.buf, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	return p.buf[:n]
}

// readStat reads the line of /proc/self/stat. See proc_pid_stat(5).
func (p *process) readStat(line []byte) {
	const ticks = 100                      // in a second; USER_HZ is 100 on all platforms of Go
	_, rest := cutLast(line, []byte(") ")) // a name in parentheses may hold any characters
	var utime, stime float64
	for i := 3; len(rest) > 0; i++ {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte(" "))
		switch i {
		case 14:
			utime = number(field)
		case 15:
			stime = number(field)
		case 23:
			*p.values["process_virtual_memory_bytes"] = number(field)
		case 24:
			*p.values["process_cpu_seconds_total"] = (utime + stime) / ticks
			*p.values["process_resident_memory_bytes"] = number(field) * float64(os.Getpagesize())
			return
		}
	}
}

// readNetstat reads /proc/self/net/netstat: lines with names, each followed by a line with the values.
func (p *process) readNetstat(text []byte) {
	for len(text) > 0 {
		var names, values []byte
		names, text, _ = bytes.Cut(text, []byte("\n"))
		values, text, _ = bytes.Cut(text, []byte("\n"))
		if !bytes.HasPrefix(names, []byte("IpExt: ")) {
			continue
		}
		for len(names) > 0 {
			var name, value []byte
			name, names, _ = bytes.Cut(names, []byte(" "))
			value, values, _ = bytes.Cut(values, []byte(" "))
			switch string(name) {
			case "InOctets":
				*p.values["process_network_receive_bytes_total"] = number(value)
			case "OutOctets":
				*p.values["process_network_transmit_bytes_total"] = number(value)
			}
		}
		return
	}
}

// countDescriptors counts the open files. Linux says how many there are from version 6.2 on.
func (p *process) countDescriptors() (n int, ok bool) {
	folder := int(p.descriptors.Fd())
	var info unix.Stat_t
	if unix.Fstat(folder, &info) == nil && info.Size > 0 {
		return int(info.Size), true
	}
	return countEntries(folder, p.buf)
}

// countEntries counts the entries of a folder without its two links. It takes no memory for their names.
func countEntries(folder int, buf []byte) (n int, ok bool) {
	if _, err := unix.Seek(folder, 0, io.SeekStart); err != nil {
		return 0, false
	}
	const lengthAt = 16 // in a struct linux_dirent64, see getdents(2)
	for {
		size, err := unix.Getdents(folder, buf)
		if err != nil {
			return 0, false
		}
		if size <= 0 {
			return max(0, n-2), true
		}
		for entries := buf[:size]; len(entries) > lengthAt+1; n++ {
			length := int(binary.NativeEndian.Uint16(entries[lengthAt:]))
			entries = entries[min(max(length, lengthAt+2), len(entries)):]
		}
	}
}

// cutLast cuts b around the last sep.
func cutLast(b, sep []byte) (before, after []byte) {
	i := bytes.LastIndex(b, sep)
	if i < 0 {
		return b, nil
	}
	return b[:i], b[i+len(sep):]
}

// number returns a number, or 0 if a text is none.
func number(text []byte) float64 {
	n, _ := strconv.ParseFloat(string(text), 64)
	return n
}
