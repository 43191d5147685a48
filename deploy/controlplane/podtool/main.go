// podtool is the one program in the node's images beside busybox.
//
//	podtool serve [PORT…]            an echo on each port that also answers HTTP (default: 8080 9000 5432)
//	podtool get URL                  prints status and body; exit 0 for a 200 (2 s)
//	podtool dial MILLISECONDS HOST:PORT…   tries all at once, prints {"host:port": true or false}
//	podtool traffic NAME=HOST:PORT…  a new connection to each every 20 ms, and one that stays open; a line for each change
//	podtool api METHOD PATH [BODY]   asks the API server with the pod's own token, prints status and body
//	podtool watch PATH               prints a line for each event of an API watch with the pod's own token
//	podtool pause                    waits and reaps: the entry point of a sandbox
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	account  = "/var/run/secrets/kubernetes.io/serviceaccount/"
	patience = 2 * time.Second
	beat     = 20 * time.Millisecond
	// A packet that got lost is sent again after 200 ms: what takes longer than this is refused.
	verdict = 700 * time.Millisecond
)

func main() {
	commands := map[string]func([]string) error{
		"serve": serve, "get": get, "dial": dial, "traffic": traffic, "api": api, "watch": watch, "pause": pause,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "podtool serve|get|dial|traffic|api|watch|pause")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// serve answers a line that begins like HTTP as HTTP, and sends all else back.
func serve(ports []string) error {
	if len(ports) == 0 {
		ports = []string{"8080", "9000", "5432"}
	}
	failed := make(chan error)
	for _, port := range ports {
		listener, err := net.Listen("tcp4", ":"+port)
		if err != nil {
			return err
		}
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					failed <- err
					return
				}
				go answer(connection)
			}
		}()
	}
	fmt.Println("serving", ports)
	return <-failed
}

func answer(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	begin, err := reader.Peek(4)
	if err != nil {
		return
	}
	if string(begin) == "GET " {
		host, _ := os.Hostname()
		fmt.Println(time.Now().UTC().Format(time.RFC3339Nano), connection.RemoteAddr(), "GET")
		fmt.Fprintf(connection, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello from %s\n", host)
		return
	}
	io.Copy(connection, reader)
}

func show(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 8192))
	fmt.Printf("%d %s\n", response.StatusCode, body)
	if response.StatusCode >= 300 {
		os.Exit(3)
	}
	return nil
}

func get(arguments []string) error {
	request, err := http.NewRequest("GET", arguments[0], nil)
	if err != nil {
		return err
	}
	return show(&http.Client{Timeout: patience}, request)
}

func dial(arguments []string) error {
	milliseconds, err := strconv.Atoi(arguments[0])
	if err != nil {
		return err
	}
	var lock sync.Mutex
	var all sync.WaitGroup
	open := map[string]bool{}
	for _, target := range arguments[1:] {
		all.Add(1)
		go func() {
			defer all.Done()
			connection, err := net.DialTimeout("tcp4", target, time.Duration(milliseconds)*time.Millisecond)
			if err == nil {
				connection.Close()
			}
			lock.Lock()
			open[target] = err == nil
			lock.Unlock()
		}()
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(open)
}

type change struct {
	Time   float64 `json:"time"`
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Passes bool    `json:"passes"`
	Count  int     `json:"count"`
}

// traffic says a line when a flow begins to pass or stops to, and one a second with how many tries have passed.
func traffic(arguments []string) error {
	changes := make(chan change)
	for _, argument := range arguments {
		name, target, found := strings.Cut(argument, "=")
		if !found {
			return fmt.Errorf("not NAME=HOST:PORT: %s", argument)
		}
		go follow(changes, name, "new", func() bool { return fresh(target) })
		go follow(changes, name, "open", lasting(target))
	}
	out := json.NewEncoder(os.Stdout)
	for one := range changes {
		if err := out.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

func follow(changes chan<- change, name, kind string, try func() bool) {
	known, passes, count, told := false, false, 0, time.Now()
	for {
		began := time.Now()
		now := try()
		if now {
			count++
		}
		if !known || now != passes || time.Since(told) > time.Second {
			known, passes, told = true, now, time.Now()
			changes <- change{float64(began.UnixMicro()) / 1e6, name, kind, passes, count}
		}
		time.Sleep(beat)
	}
}

func fresh(target string) bool {
	connection, err := net.DialTimeout("tcp4", target, verdict)
	if err != nil {
		return false
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(verdict))
	if _, err := connection.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		return false
	}
	head := make([]byte, 12)
	_, err = io.ReadFull(connection, head)
	return err == nil && string(head[9:]) == "200"
}

// lasting is one connection that is never opened again: what is sent comes back, or it does not.
func lasting(target string) func() bool {
	var connection net.Conn
	mark := byte(0)
	return func() bool {
		if connection == nil {
			opened, err := net.DialTimeout("tcp4", target, verdict)
			if err != nil {
				return false
			}
			connection = opened
		}
		mark = mark%100 + 1
		connection.SetDeadline(time.Now().Add(verdict))
		if _, err := connection.Write([]byte{mark, mark, mark, mark}); err != nil {
			return false
		}
		back := make([]byte, 4)
		for {
			if _, err := io.ReadFull(connection, back); err != nil {
				return false
			}
			if back[0] == mark {
				return true
			}
		}
	}
}

func inCluster(method, path, body string) (*http.Client, *http.Request, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return nil, nil, err
	}
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	server := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequest(method, "https://"+server+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Content-Type", "application/json")
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}, request, nil
}

func api(arguments []string) error {
	body := ""
	if len(arguments) > 2 {
		body = arguments[2]
	}
	client, request, err := inCluster(arguments[0], arguments[1], body)
	if err != nil {
		return err
	}
	client.Timeout = patience
	return show(client, request)
}

func watch(arguments []string) error {
	client, request, err := inCluster("GET", arguments[0], "")
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode)
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println(time.Now().UTC().Format(time.RFC3339Nano), len(lines.Bytes()))
	}
	return lines.Err()
}

func pause([]string) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for one := range signals {
		if one != syscall.SIGCHLD {
			return nil
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
	return nil
}
