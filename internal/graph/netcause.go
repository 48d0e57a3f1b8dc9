package graph

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
)

// netCause says in safe words why no answer came, beginning with dns, tls,
// connect, timeout or connection. It reads types only: the texts of transport
// errors hold URLs, and those of proxies and custom transports anything.
func netCause(err error) string {
	var (
		dns  *net.DNSError
		op   *net.OpError
		netE net.Error
	)
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &netE) && netE.Timeout()
	isOp := errors.As(err, &op)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "dns: no such host"
	case errors.As(err, &dns):
		return "dns: lookup failed"
	case tlsCause(err) != "":
		return "tls: " + tlsCause(err)
	case isOp && op.Op == "proxyconnect":
		return "connect: the proxy cannot be reached"
	case isOp && op.Op == "dial" && timeout:
		return "connect: timed out"
	case isOp && op.Op == "dial":
		return "connect: " + errno(err, "failed")
	case timeout:
		return "timeout: no complete answer in time"
	}
	return "connection: " + errno(err, "broken off before the answer was complete")
}

// tlsCause is empty when err is not about TLS.
func tlsCause(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return "certificate signed by unknown authority"
	case errors.As(err, &host):
		return "certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate has expired or is not yet valid"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "certificate refused"
	case errors.As(err, &record):
		return "the server does not speak TLS"
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		return "handshake refused"
	}
	return ""
}

// errno is the operating system's short word for it: "connection refused".
func errno(err error, otherwise string) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	return otherwise
}
