/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmio BDF BAR OFFSET            reads 32 bits of a PCI function's memory and prints them in hexadecimal
 * mmio BDF BAR OFFSET VALUE      writes them; with an L behind the value, 64 bits
 * mmio BDF BAR                   prints the BAR's address
 * The function's memory space must be on (echo 1 >.../enable).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"

static int print_address(const char *bdf, unsigned bar)
{
	unsigned long long start = 0, end, flags;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), DEVICES "/%s/resource", bdf);
	f = fopen(path, "r");
	if (!f)
		return 1;
	for (unsigned i = 0; i <= bar; i++) {
		if (fscanf(f, "%llx %llx %llx", &start, &end, &flags) != 3)
			return 1;
	}
	printf("0x%llx\n", start);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE), off;
	volatile uint32_t *at;
	unsigned long long value;
	char path[128];
	char *p, *end;
	int fd;

	if (argc < 3)
		return 1;
	if (argc == 3)
		return print_address(argv[1], (unsigned)atoi(argv[2]));
	snprintf(path, sizeof(path), DEVICES "/%s/resource%s", argv[1], argv[2]);
	off = strtoul(argv[3], NULL, 0);
	fd = open(path, O_RDWR);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(off & ~(page - 1)));
	if (p == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	at = (volatile uint32_t *)(p + (off & (page - 1)));
	value = argc > 4 ? strtoull(argv[4], &end, 0) : 0;
	if (argc > 4 && *end == 'L')
		*(volatile uint64_t *)at = value;
	else if (argc > 4)
		*at = (uint32_t)value;
	else
		printf("0x%x\n", (unsigned)*at);
	return 0;
}
