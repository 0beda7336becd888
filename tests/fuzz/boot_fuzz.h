/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a file of arbitrary bytes as a kernel. Whatever it is, the entry point of one that is accepted is in RAM. */
#ifndef NIDUS_BOOT_FUZZ_H
#define NIDUS_BOOT_FUZZ_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "firmware/boot.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

#define FUZZ_RAM MiB(64)

static void boot_fuzz(const u8 *data, size_t size)
{
	static const struct mem_range ram = { 0, FUZZ_RAM };
	static const struct boot_region map[] = { { 0, 0xa0000, BOOT_REGION_RAM }, { MiB(1), FUZZ_RAM - MiB(1), BOOT_REGION_RAM } };
	static struct mem *mem;
	static int fd = -1;
	struct boot_file f, initrd;
	struct boot_params p;
	struct boot_entry e;

	if (fd < 0) {
		fd = memfd_create("kernel", MFD_CLOEXEC);
		if (fd < 0 || mem_create(&ram, 1, false, &mem))
			abort();
		/* Below any level: a line per input would only slow it down. */
		log_set_level((enum log_level)((int)LOG_ERROR - 1));
	}
	if (size == 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		return;
	f = (struct boot_file){ .fd = fd, .size = size, .name = "kernel" };
	initrd = (struct boot_file){ .fd = fd, .size = size, .name = "initrd" };
	p = (struct boot_params){ .mem = mem, .kernel = &f, .initrd = &initrd, .cmdline = "quiet", .rsdp = X86_ACPI_BASE, .map = map, .n_map = 2 };
	if (boot_load_x86_64(&p, &e) == 0 && !mem_is_ram(mem, e.rip, 1))
		abort();
}

#endif
