package doctor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fx/internal/testenv"
)

// The roles of the processes of a test in a network namespace of its own.
const (
	roleVariable  = "FX_TEST_ROLE"
	roleNamespace = "namespace" // makes the network, watches it and starts the workload
	roleWorkload  = "workload"
	seenVariable  = "FX_TEST_SEEN" // the file for what was seen
)

// watched runs the test's workload branch in a network namespace in which every
// address answers, and returns what it sent there, as "udp 10.0.0.1:53
// name.example". The workload's environment is the given one alone. It skips
// where namespaces can't be had.
func watched(t *testing.T, environment ...string) []string {
	t.Helper()
	seen := filepath.Join(t.TempDir(), "seen.json")
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(environment, roleVariable+"="+roleNamespace, seenVariable+"="+seen)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	text, err := command.CombinedOutput()
	if command.Process == nil {
		testenv.Lacks(t, testenv.Namespace, "a network namespace can't be had: %v", err)
	}
	if err != nil {
		t.Fatalf("in the namespace: %v: %s", err, text)
	}
	if strings.Contains(string(text), "--- SKIP") {
		testenv.Lacks(t, testenv.Namespace, "in the namespace: %s", text)
	}
	content, err := os.ReadFile(seen)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var all []string
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// inNamespace plays the role of a child of watched, in which the test then ends.
func inNamespace(t *testing.T, workload func(*testing.T)) bool {
	switch os.Getenv(roleVariable) {
	case roleNamespace:
		watchWorkload(t)
	case roleWorkload:
		workload(t)
	default:
		return false
	}
	return true
}

func watchWorkload(t *testing.T) {
	if err := answerEverywhere(); err != nil {
		testenv.Lacks(t, testenv.Namespace, "the namespace's network can't be set up: %v", err)
	}
	w, err := newWatcher()
	if err != nil {
		testenv.Lacks(t, testenv.Namespace, "the namespace's network can't be watched: %v", err)
	}
	// The watcher is watched first: what goes to any address must be seen.
	connection, err := net.DialTimeout("tcp", "192.0.2.7:443", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.Close(); err != nil {
		t.Fatal(err)
	}
	if seen := w.take(); !slices.Contains(seen, "tcp 192.0.2.7:443") {
		t.Fatalf("a connection that was made is not among %q", seen)
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), roleVariable+"="+roleWorkload)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the workload: %v: %s", err, text)
	}
	text, err := json.Marshal(w.take())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv(seenVariable), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// answerEverywhere makes every address of the namespace one of its own, so that
// what a program sends out arrives here.
func answerEverywhere() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	if err := addLocalRoute(unix.AF_INET); err != nil {
		return err
	}
	err = addLocalRoute(unix.AF_INET6)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a kernel without IPv6 sends nothing by it
	}
	return err
}

// addLocalRoute is `ip route add local default dev lo`.
func addLocalRoute(family byte) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	message := make([]byte, unix.SizeofNlMsghdr+unix.SizeofRtMsg+unix.SizeofRtAttr+4)
	*(*unix.NlMsghdr)(unsafe.Pointer(&message[0])) = unix.NlMsghdr{Len: uint32(len(message)), Type: unix.RTM_NEWROUTE,
		Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | unix.NLM_F_CREATE}
	*(*unix.RtMsg)(unsafe.Pointer(&message[unix.SizeofNlMsghdr])) = unix.RtMsg{Family: family,
		Table:    unix.RT_TABLE_LOCAL,
		Protocol: unix.RTPROT_BOOT, Scope: unix.RT_SCOPE_HOST, Type: unix.RTN_LOCAL}
	at := unix.SizeofNlMsghdr + unix.SizeofRtMsg
	*(*unix.RtAttr)(unsafe.Pointer(&message[at])) = unix.RtAttr{Len: unix.SizeofRtAttr + 4, Type: unix.RTA_OIF}
	binary.NativeEndian.PutUint32(message[at+unix.SizeofRtAttr:], uint32(lo.Index))

	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }()
	if err := unix.Sendto(s, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return errors.New("a short answer of the kernel's")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// watcher lists every packet that is sent in its namespace, answers DNS with an
// address of its own and takes connections on the ports of HTTP and HTTPS.
type watcher struct {
	mu   sync.Mutex
	seen []string
}

func newWatcher() (*watcher, error) {
	w := &watcher{}
	packets, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		return nil, err
	}
	names, err := net.ListenPacket("udp", ":53")
	if err != nil {
		return nil, err
	}
	for _, port := range []string{":80", ":443"} {
		listener, err := net.Listen("tcp", port)
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				accepted, err := listener.Accept()
				if err != nil {
					return
				}
				_ = accepted.Close() // who called sees an error of the network's
			}
		}()
	}
	go w.watch(packets)
	go w.answer(names)
	return w, nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (w *watcher) note(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.seen, line) {
		w.seen = append(w.seen, line)
	}
}

// take returns what was seen so far and forgets it.
func (w *watcher) take() []string {
	time.Sleep(100 * time.Millisecond) // for what lies in the sockets' buffers
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = []string{}
	return seen
}

func (w *watcher) watch(packets int) {
	packet := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(packets, packet, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			w.note("the watcher fails: " + err.Error())
			return
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
			w.note(destination(packet[:n]))
		}
	}
}

// destination names protocol, address and port of an IP packet. The source
// stands for it where that has the lower port: an answer.
func destination(packet []byte) string {
	var protocol byte
	var from, to netip.Addr
	var rest []byte
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4 && len(packet) >= int(packet[0]&15)*4:
		protocol, rest = packet[9], packet[int(packet[0]&15)*4:]
		from, _ = netip.AddrFromSlice(packet[12:16])
		to, _ = netip.AddrFromSlice(packet[16:20])
	case len(packet) >= 40 && packet[0]>>4 == 6:
		protocol, rest = packet[6], packet[40:]
		from, _ = netip.AddrFromSlice(packet[8:24])
		to, _ = netip.AddrFromSlice(packet[24:40])
	default:
		return fmt.Sprintf("a packet of %d bytes", len(packet))
	}
	name := map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[protocol]
	if name == "" || len(rest) < 4 {
		return fmt.Sprintf("protocol %d to %s", protocol, to)
	}
	source, target := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	if source < target {
		return fmt.Sprintf("%s %s", name, netip.AddrPortFrom(from, source))
	}
	return fmt.Sprintf("%s %s", name, netip.AddrPortFrom(to, target))
}

// answer is a DNS server for which every name has the address 192.0.2.1.
func (w *watcher) answer(names net.PacketConn) {
	query := make([]byte, 1500)
	for {
		n, from, err := names.ReadFrom(query)
		if err != nil {
			return
		}
		const header = 12
		if n <= header {
			continue
		}
		var labels []string
		at := header
		for at < n && query[at] != 0 && at+1+int(query[at]) <= n {
			labels = append(labels, string(query[at+1:at+1+int(query[at])]))
			at += 1 + int(query[at])
		}
		w.note("a question for the address of " + strings.Join(labels, "."))
		end := at + 5 // the name's end, type and class
		if end > n {
			continue
		}
		reply := slices.Clone(query[:end])
		copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
		if kind := binary.BigEndian.Uint16(query[at+1:]); kind == 1 { // A
			reply[7] = 1
			reply = append(reply, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1)
		}
		_, _ = names.WriteTo(reply, from) // who does not hear asks again
	}
}
