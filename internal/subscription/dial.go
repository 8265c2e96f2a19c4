package subscription

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	// usualPatience is for one attempt as a whole; Standard Webhooks says 15 to 30 s.
	usualPatience = 20 * time.Second
	mostPatience  = 30 * time.Second
	// dialBound is for one address, and for the handshake.
	dialBound = 10 * time.Second
	// mostAnswer bounds what is read of an answer, so that its connection can be used again. It says nothing we need.
	mostAnswer = 16 << 10
)

// newClient is a client that reaches only what a subscriber may be. It follows no redirects and no proxy: what is sent is for
// one address, and that is looked at when it is dialled, when names are addresses.
func newClient(allowPrivate bool, patience time.Duration, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: dialBound, KeepAlive: 30 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%q is no address", address)
		}
		return reachable(to.Addr(), allowPrivate)
	}}
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialBound, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: atOnce, MaxConnsPerHost: atOnce,
			IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reachable says whether a subscriber may be at an address, and why not.
func reachable(to netip.Addr, allowPrivate bool) error {
	to = to.Unmap().WithZone("")
	for _, inner := range embedded(to) {
		if err := reachable(inner, allowPrivate); err != nil {
			return err
		}
	}
	for _, never := range never() {
		if never.Contains(to) {
			return fmt.Errorf("%s is an address that no subscriber may have: link-local, of a cloud's metadata, or of no host", to)
		}
	}
	for _, private := range private() {
		if private.Contains(to) && !allowPrivate {
			return fmt.Errorf("%s is an address of this machine or of a private network: allow-private: true lets it", to)
		}
	}
	return nil
}

// embedded are the IPv4 addresses that an IPv6 address leads to where there is a translator: NAT64, 6to4 and the old
// IPv4-compatible ones.
func embedded(to netip.Addr) []netip.Addr {
	if !to.Is6() {
		return nil
	}
	bytes := to.As16()
	four := func(at int) []netip.Addr { return []netip.Addr{netip.AddrFrom4([4]byte(bytes[at : at+4]))} }
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(to):
		return four(12)
	case netip.MustParsePrefix("2002::/16").Contains(to):
		return four(2)
	case netip.MustParsePrefix("::/96").Contains(to) && to != netip.IPv6Loopback() && to != netip.IPv6Unspecified():
		return four(12)
	default:
		return nil
	}
}

func prefixes(of ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(of))
	for i, one := range of {
		out[i] = netip.MustParsePrefix(one)
	}
	return out
}

// never are the networks that hold no subscriber: those of no host, link-local ones, where clouds answer 169.254.169.254 with
// credentials, and the metadata services of Alibaba Cloud, Azure's fabric, AWS and Google over IPv6, and Oracle.
func never() []netip.Prefix {
	return prefixes("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32", "168.63.129.16/32",
		"::/128", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128")
}

// private are the networks of this machine and of the house: RFC 1918, the carriers' of RFC 6598, unique local ones, and
// those of tests and documentation.
func private() []netip.Prefix {
	return prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
		"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "::1/128", "fc00::/7", "2001:db8::/32", "64:ff9b:1::/48")
}
