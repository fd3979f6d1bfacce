// Package atonce lets tests that wait run beside each other.
package atonce

import (
	"flag"
	"runtime"
	"strconv"
)

// Tests lets n tests of a package run at once for each processor, where the go command starts one. It is for TestMain, before it runs the
// tests. The flag -parallel still wins, because package testing reads the command line later.
func Tests(n int) {
	if err := flag.Set("test.parallel", strconv.Itoa(n*runtime.GOMAXPROCS(0))); err != nil {
		panic(err) // Package testing has this flag.
	}
}
