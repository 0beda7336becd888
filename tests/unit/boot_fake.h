/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of firmware/ share: RAM, messages and image files that live in memory. */
#ifndef NIDUS_BOOT_FAKE_H
#define NIDUS_BOOT_FAKE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "firmware/loader.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

#define FAKE_RAM MiB(32)

struct mem {
	u8 *ram;
};

static struct mem fake;
static char said[4096];
static unsigned n_said;

/* Replaces vmm/log.c: the last line, and how many there were. */
void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	n_said++;
}

/* Replace vmm/mem.c. */
int mem_iov(const struct mem *m, gpa_t gpa, u64 len, struct iovec *iov, unsigned max)
{
	if (max == 0 || !range_within(gpa, len, 0, FAKE_RAM))
		return -EFAULT;
	iov[0] = (struct iovec){ m->ram + gpa, (size_t)len };
	return 1;
}

int mem_write(const struct mem *m, gpa_t gpa, const void *buf, u64 len)
{
	if (len == 0)
		return 0;
	if (!range_within(gpa, len, 0, FAKE_RAM))
		return -EFAULT;
	memcpy(m->ram + gpa, buf, len);
	return 0;
}

u64 mem_total_bytes(const struct mem *m)
{
	return FAKE_RAM;
}

static const struct boot_region fake_map[] = {
	{ 0, 0xa0000, BOOT_REGION_RAM },
	{ X86_ACPI_BASE, X86_ACPI_LEN, 3 },
	{ MiB(1), FAKE_RAM - MiB(1), BOOT_REGION_RAM },
	{ X86_ECAM_BASE, X86_ECAM_LEN, 2 },
};

static inline struct boot_params fake_params(const struct boot_file *kernel, const struct boot_file *initrd)
{
	free(fake.ram);
	fake.ram = calloc(1, FAKE_RAM);
	assert_non_null(fake.ram);
	n_said = 0;
	said[0] = 0;
	return (struct boot_params){
		.mem = &fake, .kernel = kernel, .initrd = initrd, .cmdline = "console=ttyS0", .rsdp = X86_ACPI_BASE,
		.map = fake_map, .n_map = ARRAY_SIZE(fake_map),
	};
}

static inline int fake_teardown(void **state)
{
	free(fake.ram);
	fake.ram = NULL;
	return 0;
}

static inline struct boot_file fake_file(const char *name, const void *data, u64 len)
{
	struct boot_file f = { .fd = memfd_create(name, MFD_CLOEXEC), .size = len, .name = name };

	assert_true(f.fd >= 0);
	assert_int_equal(write(f.fd, data, len), len);
	return f;
}

static inline u64 ram_get(gpa_t gpa, unsigned size)
{
	assert_true(range_within(gpa, size, 0, FAKE_RAM));
	return get_le(fake.ram + gpa, size);
}

#endif
