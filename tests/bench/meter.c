/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmarks' one program, static, for guests and hosts. A figure is one line `NAME VALUE` on standard output.
 *
 * meter read FILE BLOCK COUNT rand|seq  COUNT reads of BLOCK bytes with O_DIRECT, one at a time: nanoseconds for each on average
 * meter ping IP COUNT                   ICMP echoes, one at a time: the median's nanoseconds
 * meter serve PORT                      serves `send` and `recv` of any number of others, until it is killed
 * meter send|recv IP PORT MIB           bulk data over TCP until the other side has it all: KiB per second
 * meter until SECONDS TEXT COMMAND...   microseconds from exec to TEXT on COMMAND's standard output (the first byte if TEXT is empty),
 *                                       and the CPU time it used until it ended; COMMAND is then killed. Status 1 if TEXT does not come
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

#define CHUNK (128u << 10)

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- disks --- */

static uint64_t size_of(int fd)
{
	uint64_t size = 0;
	off_t end;

	if (ioctl(fd, BLKGETSIZE64, &size) == 0)
		return size;
	end = lseek(fd, 0, SEEK_END);
	return end < 0 ? 0 : (uint64_t)end;
}

static int cmd_read(char **arg)
{
	uint64_t block = strtoull(arg[1], NULL, 0), count = strtoull(arg[2], NULL, 0), x = 88172645463325252u, at = 0, start, blocks;
	int fd = open(arg[0], O_RDONLY | O_DIRECT), random = strcmp(arg[3], "rand") == 0;
	void *buf = mmap(NULL, block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (fd < 0 || buf == MAP_FAILED || !count)
		die(arg[0]);
	blocks = size_of(fd) / block;
	if (!blocks)
		die("smaller than a block");
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		/* xorshift64: the same places in every run */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at = random ? x % blocks : i % blocks;
		if (pread(fd, buf, block, (off_t)(at * block)) != (ssize_t)block)
			die("read");
	}
	printf("read %llu\n", (unsigned long long)((now_ns() - start) / count));
	return 0;
}

/* --- network --- */

static uint16_t checksum(const uint16_t *p, size_t words)
{
	uint32_t sum = 0;

	while (words--)
		sum += *p++;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t echo_once(int fd, const struct sockaddr_in *to, uint16_t seq)
{
	struct {
		struct icmphdr h;
		uint8_t data[56];
	} m = { .h = { .type = ICMP_ECHO, .un.echo = { .id = htons(4711), .sequence = htons(seq) } } };
	uint64_t start = now_ns();
	union {
		uint8_t bytes[2048];
		struct iphdr ip;
	} in;

	m.h.checksum = checksum((const uint16_t *)&m, sizeof(m) / 2);
	if (sendto(fd, &m, sizeof(m), 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("sendto");
	for (;;) {
		ssize_t n = recv(fd, in.bytes, sizeof(in.bytes), 0);
		const struct icmphdr *h = (const struct icmphdr *)(in.bytes + in.ip.ihl * 4);

		if (n < 0)
			die("no echo");
		if (n >= (ssize_t)(in.ip.ihl * 4 + sizeof(*h)) && h->type == ICMP_ECHOREPLY && h->un.echo.sequence == htons(seq))
			return now_ns() - start;
	}
}

static int cmd_ping(char **arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), count = atoi(arg[1]);
	struct timeval limit = { .tv_sec = 10 };
	uint64_t *t = calloc((size_t)(count > 0 ? count : 1), sizeof(*t));

	if (fd < 0 || !t || count < 1 || inet_pton(AF_INET, arg[0], &to.sin_addr) != 1)
		die("ping");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* the first one waits for ARP */
	echo_once(fd, &to, 0);
	for (int i = 0; i < count; i++)
		t[i] = echo_once(fd, &to, (uint16_t)(i + 1));
	qsort(t, (size_t)count, sizeof(*t), by_value);
	printf("ping %llu\n", (unsigned long long)t[count / 2]);
	return 0;
}

struct order {
	uint64_t send; /* the client's direction */
	uint64_t bytes;
};

static char chunk[CHUNK];

static void push(int fd, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = send(fd, chunk, bytes < CHUNK ? bytes : CHUNK, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		bytes -= (uint64_t)n;
	}
}

static void pull(int fd, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = recv(fd, chunk, bytes < CHUNK ? bytes : CHUNK, 0);

		if (n <= 0)
			die("receive");
		bytes -= (uint64_t)n;
	}
}

static void serve_one(int fd)
{
	struct order o;

	if (recv(fd, &o, sizeof(o), MSG_WAITALL) != sizeof(o))
		die("order");
	if (o.send)
		pull(fd, o.bytes);
	else
		push(fd, o.bytes);
	push(fd, 1);
	_exit(0);
}

static int cmd_serve(char **arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[0])) };
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)) || listen(s, 8))
		die("listen");
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd < 0)
			die("accept");
		if (fork() == 0)
			serve_one(fd);
		close(fd);
	}
}

static int cmd_bulk(char **arg, int out)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[1])) };
	struct order o = { (uint64_t)out, strtoull(arg[2], NULL, 0) << 20 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t start;

	if (fd < 0 || inet_pton(AF_INET, arg[0], &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	start = now_ns();
	if (send(fd, &o, sizeof(o), MSG_NOSIGNAL) != sizeof(o))
		die("send");
	if (out)
		push(fd, o.bytes);
	else
		pull(fd, o.bytes);
	pull(fd, 1);
	printf("%s %llu\n", out ? "send" : "recv", (unsigned long long)((o.bytes >> 10) * 1000000 / ((now_ns() - start) / 1000 + 1)));
	return 0;
}

/* --- start times --- */

static int found(const char *text, int fd, uint64_t deadline)
{
	static char buf[1 << 20];
	size_t have = 0;

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= deadline || poll(&p, 1, (int)((deadline - now) / 1000000) + 1) < 0)
			return 0;
		if (!p.revents)
			continue;
		n = read(fd, buf + have, sizeof(buf) - 1 - have);
		if (n <= 0)
			return 0;
		have += (size_t)n;
		if (memmem(buf, have, text, strlen(text)))
			return 1;
		if (have == sizeof(buf) - 1)
			have = 0;
	}
}

static int cmd_until(char **arg)
{
	uint64_t start = now_ns(), took;
	struct rusage use;
	int fd[2], seen;
	pid_t pid;

	if (pipe(fd) || (pid = fork()) < 0)
		die("start");
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(fd[1], 1);
		close(fd[0]);
		close(fd[1]);
		execvp(arg[2], arg + 2);
		die(arg[2]);
	}
	close(fd[1]);
	seen = found(arg[1], fd[0], start + strtoull(arg[0], NULL, 0) * 1000000000);
	took = now_ns() - start;
	kill(pid, SIGKILL);
	wait4(pid, NULL, 0, &use);
	if (!seen) {
		errno = ETIME;
		die(arg[1]);
	}
	printf("until %llu\ncpu %llu\n", (unsigned long long)took / 1000,
	       (unsigned long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + (unsigned long long)(use.ru_utime.tv_usec + use.ru_stime.tv_usec));
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char **arg = argv + 2;
	int n = argc - 2;

	if (strcmp(what, "read") == 0 && n == 4)
		return cmd_read(arg);
	if (strcmp(what, "ping") == 0 && n == 2)
		return cmd_ping(arg);
	if (strcmp(what, "serve") == 0 && n == 1)
		return cmd_serve(arg);
	if ((strcmp(what, "send") == 0 || strcmp(what, "recv") == 0) && n == 3)
		return cmd_bulk(arg, what[0] == 's');
	if (strcmp(what, "until") == 0 && n >= 3)
		return cmd_until(arg);
	fprintf(stderr, "usage: see the head of meter.c\n");
	return 64;
}
