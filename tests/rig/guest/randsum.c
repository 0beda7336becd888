/*
 * randsum FILE BYTES ROUNDS SEED: writes BYTES of a block device or file in random order and
 * random sizes, each block holding what its position and SEED give, then reads it back in
 * another random order and compares, ROUNDS times. Prints `randsum: ok SUM`, or the first
 * difference and exits with 1. FILE is opened with O_DIRECT where that works, so that the
 * device is what answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define RUN_MAX 64u

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static void fill(uint64_t *p, uint64_t block, uint64_t seed)
{
	for (unsigned i = 0; i < BLOCK / 8; i++)
		p[i] = mix(block * 1000003 + i + (seed << 40));
}

/* Runs of blocks, each block once, in an order that `seed` gives. */
static void shuffle(uint32_t *order, uint32_t n, uint64_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = mix(seed + i) % i, t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: randsum FILE BYTES ROUNDS SEED\n");
		return 64;
	}
	uint64_t blocks = strtoull(argv[2], NULL, 0) / BLOCK, rounds = strtoull(argv[3], NULL, 0);
	uint64_t seed = strtoull(argv[4], NULL, 0), sum = 0;
	uint32_t run = 1 + mix(seed) % RUN_MAX, n = (blocks + run - 1) / run;
	uint32_t *order = malloc(n * sizeof(*order));
	uint64_t *buf, want[BLOCK / 8];
	int fd = open(argv[1], O_RDWR | O_DIRECT);

	if (fd < 0 && errno == EINVAL)
		fd = open(argv[1], O_RDWR);
	if (fd < 0 || !order || posix_memalign((void **)&buf, BLOCK, RUN_MAX * BLOCK)) {
		perror(argv[1]);
		return 65;
	}
	for (uint64_t r = 0; r < rounds; r++) {
		for (int reading = 0; reading < 2; reading++) {
			shuffle(order, n, seed + 2 * r + reading);
			for (uint32_t i = 0; i < n; i++) {
				uint64_t first = (uint64_t)order[i] * run;
				uint32_t count = first + run > blocks ? blocks - first : run;
				size_t len = (size_t)count * BLOCK;
				ssize_t done;

				for (uint32_t b = 0; !reading && b < count; b++)
					fill(buf + b * (BLOCK / 8), first + b, seed + r);
				done = reading ? pread(fd, buf, len, first * BLOCK)
					       : pwrite(fd, buf, len, first * BLOCK);
				if (done != (ssize_t)len) {
					printf("randsum: %s at block %llu: %s\n", reading ? "read" : "write",
					       (unsigned long long)first, done < 0 ? strerror(errno) : "short");
					return 1;
				}
				for (uint32_t b = 0; reading && b < count; b++) {
					fill(want, first + b, seed + r);
					if (memcmp(want, buf + b * (BLOCK / 8), BLOCK)) {
						printf("randsum: round %llu: block %llu differs\n",
						       (unsigned long long)r, (unsigned long long)(first + b));
						return 1;
					}
					sum += mix(want[0] ^ want[BLOCK / 8 - 1]);
				}
			}
			if (!reading && fsync(fd)) {
				printf("randsum: fsync: %s\n", strerror(errno));
				return 1;
			}
		}
	}
	printf("randsum: ok %016llx\n", (unsigned long long)sum);
	return 0;
}
