package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func goroutines() int {
	var group sync.WaitGroup
	numbers := make(chan int, 10)
	for number := 0; number < 1000; number++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			runtime.Gosched()
			numbers <- number
		}(number)
	}
	go func() { group.Wait(); close(numbers) }()
	sum := 0
	for number := range numbers {
		sum += number
	}
	return sum
}

func ask() string {
	listener := must(net.Listen("tcp", "localhost:0"))
	server := http.Server{Handler: http.HandlerFunc(func(to http.ResponseWriter, from *http.Request) {
		fmt.Fprint(to, "heard ", string(must(io.ReadAll(from.Body))))
	})}
	go server.Serve(listener)
	answer := must(http.Post("http://"+listener.Addr().String(), "text/plain", bytes.NewBufferString("go")))
	defer server.Shutdown(context.Background())
	return string(must(io.ReadAll(answer.Body)))
}

func main() {
	fmt.Println(goroutines(), ask())

	context, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	ended := exec.CommandContext(context, "/bin/sleep", "100").Run()
	said := must(exec.Command("/bin/sh", "-c", "echo child").Output())
	fmt.Printf("%s, %s", ended, said)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	select {
	case heard := <-signals:
		fmt.Println(heard)
	case <-time.After(time.Minute):
		panic("no signal")
	}

	must(0, os.WriteFile("/tmp/file", bytes.Repeat([]byte("go"), 1000), 0600))
	copied := must(os.Create("/tmp/copy"))
	fmt.Println(must(io.Copy(copied, must(os.Open("/tmp/file")))))
	for each := 0; each < 100; each++ {
		_ = make([]byte, 1<<20)
	}
	runtime.GC()
	for _, each := range must(net.Interfaces()) {
		fmt.Println(each.Name)
	}
}
