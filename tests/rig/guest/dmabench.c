/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dmabench SECONDS: maps and unmaps pages for DMA on one thread, by the kernel's DMA map benchmark on the device that is bound to the
 * driver dma_map_benchmark, and prints how many pairs of a mapping and its unmapping the kernel's IOMMU layer saw, counted by its own trace
 * events (iommu:map, iommu:unmap). Needs CONFIG_DMA_MAP_BENCHMARK, debugfs and tracefs mounted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TRACE "/sys/kernel/tracing/"

/* As in the kernel's linux/map_benchmark.h; what is beyond is left zero. */
struct map_benchmark {
	uint64_t avg_map_100ns, map_stddev, avg_unmap_100ns, unmap_stddev;
	uint32_t threads, seconds;
	int32_t node;
	uint32_t dma_bits, dma_dir, dma_trans_ns, granule;
	uint8_t expansion[76];
};

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(file);
		exit(1);
	}
	close(fd);
}

/* Events since the buffers were emptied: those there and those overwritten, of all CPUs. */
static unsigned long events(void)
{
	unsigned long sum = 0, n;
	char path[64], line[128];

	for (int cpu = 0;; cpu++) {
		FILE *f;

		snprintf(path, sizeof(path), TRACE "per_cpu/cpu%d/stats", cpu);
		f = fopen(path, "r");
		if (!f)
			return sum;
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "entries: %lu", &n) == 1 || sscanf(line, "overrun: %lu", &n) == 1)
				sum += n;
		}
		fclose(f);
	}
}

int main(int argc, char **argv)
{
	struct map_benchmark b = { .threads = 1, .node = -1, .dma_bits = 48, .granule = 1 };
	int fd = open("/sys/kernel/debug/dma_map_benchmark", O_RDWR);

	if (argc != 2) {
		fprintf(stderr, "usage: dmabench SECONDS\n");
		return 64;
	}
	b.seconds = atoi(argv[1]);
	put(TRACE "trace", "");
	put(TRACE "events/iommu/map/enable", "1");
	put(TRACE "events/iommu/unmap/enable", "1");
	if (fd < 0 || ioctl(fd, _IOWR('d', 1, struct map_benchmark), &b)) {
		perror("dma_map_benchmark");
		return 1;
	}
	put(TRACE "events/iommu/map/enable", "0");
	put(TRACE "events/iommu/unmap/enable", "0");
	/* Each page is mapped and unmapped in turn. */
	printf("dmabench: pairs %lu map %llu ns unmap %llu ns\n", events() / 2, (unsigned long long)b.avg_map_100ns * 100,
	       (unsigned long long)b.avg_unmap_100ns * 100);
	return 0;
}
