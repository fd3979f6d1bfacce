//go:build !linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// On other systems the program reports that it needs Linux, and calls none of these.

var errNeedsLinux = errors.New("this needs Linux")

type usage struct{ memory memory }

func twoCores() ([2]int, error)                     { return [2]int{}, errNeedsLinux }
func startOn(int, *exec.Cmd, <-chan struct{}) error { return errNeedsLinux }
func lookAt(job) (usage, error)                     { return usage{}, errNeedsLinux }
func (usage) since(usage) (f outcome)               { return f }

func waitForCalm(context.Context, [2]int, time.Duration) {}
