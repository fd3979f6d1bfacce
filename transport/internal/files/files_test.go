package files

import (
	"math"
	"net"
	"runtime"
	"testing"
)

func TestTheLastFilesAreKeptBack(t *testing.T) {
	for _, row := range []struct {
		limit, file, closing int
		held                 bool
	}{
		{160, 139, 0, false},
		{160, 140, 0, true},
		{160, 150, 10, true},
		{160, 150, 11, false},
		{160, 0, 0, false},
		{1024, 895, 0, false},
		{1024, 896, 0, true},
		{10, 1, 0, true}, // a process with so few files has none to spare
		{math.MaxInt, 1 << 30, 0, false},
	} {
		if NewReserve(row.limit).Holds(row.file, row.closing) != row.held {
			t.Errorf("of %d files, %d is kept back while %d are closing: want %t", row.limit, row.file, row.closing, row.held)
		}
	}
}

func TestTheNumberOfASocketIsThatOfItsFile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if n := Number(l); n <= 2 && runtime.GOOS != "windows" {
		t.Errorf("the number of a listener is %d", n)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if n := Number(near); n != 0 {
		t.Errorf("the number of a pipe in memory is %d", n)
	}
	l.Close()
	if n := Number(l); n != 0 {
		t.Errorf("the number of a closed listener is %d", n)
	}
	if n := Limit(); n < 16 {
		t.Errorf("this process may have %d files open", n)
	}
}
