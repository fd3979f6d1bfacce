package options

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestAProxyThatCannotBeTrustedIsNamed(t *testing.T) {
	for argument, want := range map[string]string{
		"--trusted-proxy=localhost":     `"localhost" is no address or network: write it as in 127.0.0.1`,
		"--trusted-proxy=10.0.0.1:80":   "is no address or network",
		"--trusted-proxy=10.0.0.0/33":   "is no address or network",
		"--trusted-proxy=10.0.0/8":      "is no address or network",
		"--trusted-proxy=,127.0.0.1":    "leave out the comma",
		"--trusted-proxy=*":             "is no address or network",
		"--trusted-proxy=0.0.0.0/0":     "0.0.0.0/0 is everybody",
		"--trusted-proxy=::1,::/0":      "::/0 is everybody",
		"--trusted-proxy=::ffff:0:0/96": "is everybody",
		"--trusted-proxy=0.0.0.0":       "no connection comes from 0.0.0.0",
		"--trusted-proxy=224.0.0.0/4":   "no connection comes from 224.0.0.0/4",
		"--proxy-protocol":              "--proxy-protocol needs --trusted-proxy",
	} {
		var usage *UsageError
		if err := parse(t, argument).Check(); !errors.As(err, &usage) || !strings.Contains(usage.Reason, want) {
			t.Errorf("%s: %v; wanted a UsageError with %q", argument, err, want)
		}
	}
}

func TestTrustedProxiesAreAddressesAndNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1":                "[127.0.0.1/32]",
		"10.1.2.3/8, 192.0.2.0/24": "[10.0.0.0/8 192.0.2.0/24]",
		"::1,2001:db8::/32":        "[::1/128 2001:db8::/32]",
		"[::1]":                    "[::1/128]",
		"::ffff:10.0.0.1":          "[10.0.0.1/32]",
		"::ffff:10.0.0.0/104":      "[10.0.0.0/8]",
		"fe80::1%eth0":             "[fe80::1/128]",
	} {
		f := parse(t, "--trusted-proxy="+text)
		if err := f.Check(); err != nil {
			t.Errorf("%s: %v; wanted it taken", text, err)
		}
		if got := fmt.Sprint(f.Transport(nil, nil).TrustedProxies); got != want {
			t.Errorf("%s stands for %s; wanted %s", text, got, want)
		}
	}
}
