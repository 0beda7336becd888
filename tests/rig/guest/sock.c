/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock echo ADDR COUNT    serves COUNT connections, one after the other: sends back what it gets until the other side's end
 * sock sink ADDR COUNT    the same, but sends nothing back
 * sock pump ADDR KIB      connects, sends KIB KiB while it checks that they come back, closes its direction, waits for the end
 * sock push ADDR KIB      the same to a sink: nothing comes back
 * ADDR: tcp:IP:PORT, vsock:CID:PORT, unix:PATH; pump and push also hybrid:PATH:PORT (says CONNECT PORT, wants OK)
 * Prints "sock: N KiB in M ms" or what went wrong, with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

static union {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
} at;
static socklen_t at_len;
static const char *hybrid_port;

static void die(const char *what)
{
	printf("sock: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void parse(char *addr)
{
	char *kind = strtok(addr, ":"), *a = strtok(NULL, ":"), *b = strtok(NULL, ":");

	if (!kind || !a)
		die("address");
	if (strcmp(kind, "tcp") == 0 && b) {
		at.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(b)) };
		inet_pton(AF_INET, a, &at.in.sin_addr);
		at_len = sizeof(at.in);
	} else if (strcmp(kind, "vsock") == 0 && b) {
		at.vm = (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = (unsigned)strtoul(a, NULL, 10), .svm_port = (unsigned)strtoul(b, NULL, 10) };
		at_len = sizeof(at.vm);
	} else {
		at.un.sun_family = AF_UNIX;
		snprintf(at.un.sun_path, sizeof(at.un.sun_path), "%s", a);
		at_len = sizeof(at.un);
		hybrid_port = strcmp(kind, "hybrid") == 0 ? b : NULL;
	}
}

static void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		buf += n;
		len -= (size_t)n;
	}
}

static void serve(int count, bool back)
{
	static char buf[CHUNK];
	int one = 1, s = socket(at.sa.sa_family, SOCK_STREAM, 0);

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s < 0 || bind(s, &at.sa, at_len) || listen(s, 8))
		die("listen");
	printf("sock: listening\n");
	fflush(stdout);
	while (count--) {
		int fd = accept(s, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			die("accept");
		while ((n = read(fd, buf, sizeof(buf))) > 0) {
			if (back)
				write_all(fd, buf, (size_t)n);
		}
		if (n < 0)
			die("read");
		close(fd);
	}
}

/* Byte i of the stream. */
static char pattern(unsigned long i)
{
	return (char)(i ^ i >> 8 ^ i >> 16);
}

static void say_hybrid(int fd)
{
	char line[64];
	size_t n = 0;

	snprintf(line, sizeof(line), "CONNECT %s\n", hybrid_port);
	write_all(fd, line, strlen(line));
	do {
		if (n == sizeof(line) - 1 || read(fd, line + n, 1) != 1)
			die("no answer to CONNECT");
	} while (line[n++] != '\n');
	line[n] = 0;
	if (strncmp(line, "OK ", 3))
		die("CONNECT is refused");
}

static void pump(unsigned long total, bool back)
{
	static char out[CHUNK], in[CHUNK];
	unsigned long sent = 0, got = 0;
	int fd = socket(at.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, &at.sa, at_len))
		die("connect");
	if (hybrid_port)
		say_hybrid(fd);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN | (sent < total ? POLLOUT : 0) };

		if (poll(&p, 1, 60000) <= 0)
			die("nothing moves");
		if (p.revents & POLLOUT) {
			unsigned long n = total - sent < CHUNK ? total - sent : CHUNK;
			ssize_t done;

			for (unsigned long i = 0; i < n; i++)
				out[i] = pattern(sent + i);
			done = send(fd, out, n, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (done < 0 && errno != EAGAIN)
				die("send");
			sent += done > 0 ? (unsigned long)done : 0;
			if (sent == total)
				shutdown(fd, SHUT_WR);
		}
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

			if (n < 0 && errno == EAGAIN)
				continue;
			if (n < 0)
				die("receive");
			if (n == 0)
				break;
			for (ssize_t i = 0; i < n; i++) {
				if (in[i] != pattern(got + (unsigned long)i)) {
					errno = EILSEQ;
					die("wrong data");
				}
			}
			got += (unsigned long)n;
		}
	}
	if (got != (back ? total : 0)) {
		errno = ENODATA;
		die("not all came back");
	}
}

int main(int argc, char **argv)
{
	struct timespec a, b;

	if (argc != 4) {
		printf("sock: echo|sink|pump|push ADDR COUNT\n");
		return 1;
	}
	parse(argv[2]);
	if (strcmp(argv[1], "echo") == 0 || strcmp(argv[1], "sink") == 0) {
		serve(atoi(argv[3]), *argv[1] == 'e');
		return 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	pump(strtoul(argv[3], NULL, 10) << 10, strcmp(argv[1], "pump") == 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("sock: %s KiB in %ld ms\n", argv[3], (long)(b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	return 0;
}
