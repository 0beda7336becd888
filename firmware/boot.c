/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/boot.h"
#include "firmware/loader.h"
#include "vmm/host_error.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

int boot_open(const char *what, const char *path, int fd, struct boot_file *f)
{
	const char *why = NULL;
	int own, status = EXIT_NOINPUT;
	struct stat st;

	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (own < 0 || fstat(own, &st) < 0) {
		status = host_error_status(-errno);
		log_error("%s %s: %s", what, path, host_error_text(-errno));
		goto close_own;
	}
	if (S_ISDIR(st.st_mode))
		why = "is a directory, not a file";
	else if (!S_ISREG(st.st_mode))
		why = "is not a regular file";
	else if (st.st_size == 0)
		why = "is empty";
	if (why) {
		log_error("%s %s: %s", what, path, why);
		goto close_own;
	}
	*f = (struct boot_file){ .fd = own, .size = (u64)st.st_size, .name = path };
	return 0;

close_own:
	if (own >= 0)
		close(own);
	return status;
}

void boot_close(struct boot_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int boot_pread(const struct boot_file *f, u64 off, void *buf, size_t len)
{
	u8 *to = buf;

	while (len) {
		ssize_t n = pread(f->fd, to, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

int boot_copy_in(const struct boot_params *p, const struct boot_file *f, u64 off, gpa_t gpa, u64 len)
{
	struct iovec iov[MEM_MAX_SLOTS];

	while (len) {
		int n_iov = mem_iov(p->mem, gpa, len, iov, ARRAY_SIZE(iov));
		ssize_t n;

		if (n_iov < 0) {
			log_error("internal: [0x%llx, +0x%llx) for %s is not RAM", (unsigned long long)gpa, (unsigned long long)len, f->name);
			return EXIT_INTERNAL;
		}
		n = preadv(f->fd, iov, n_iov, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error("%s: %s", f->name, n < 0 ? strerror(errno) : "became shorter while it was read");
			return EXIT_NOINPUT;
		}
		off += (u64)n;
		gpa += (u64)n;
		len -= (u64)n;
	}
	return 0;
}

int boot_put(const struct boot_params *p, gpa_t gpa, const void *buf, u64 len)
{
	if (mem_write(p->mem, gpa, buf, len) == 0)
		return 0;
	log_error("internal: no RAM at 0x%llx for boot data", (unsigned long long)gpa);
	return EXIT_INTERNAL;
}

u64 boot_low_ram_end(const struct boot_params *p)
{
	for (unsigned i = 0; i < p->n_map; i++) {
		const struct boot_region *r = &p->map[i];

		if (r->type == BOOT_REGION_RAM && range_within(X86_KERNEL_BASE, 1, r->gpa, r->len))
			return r->gpa + r->len;
	}
	return 0;
}

int boot_no_room(const struct boot_params *p, const char *what, const struct boot_file *f, u64 end)
{
	u64 has = mem_total_bytes(p->mem) >> 20;

	if (end > X86_LOW_RAM_END)
		log_error("%s %s: needs memory up to 0x%llx, more than this machine can have below 4 GiB", what, f->name, (unsigned long long)end);
	else
		log_error("%s %s: does not fit into %llu MiB, needs at least -m %lluM", what, f->name, (unsigned long long)has,
			  (unsigned long long)((end + MiB(1) - 1) >> 20));
	return EXIT_NOINPUT;
}

int boot_place_initrd(const struct boot_params *p, u64 kernel_end, u64 limit, gpa_t *gpa)
{
	u64 start = ALIGN_UP(kernel_end, 4096), top = MIN(limit, boot_low_ram_end(p)), size;

	*gpa = 0;
	if (!p->initrd)
		return 0;
	size = p->initrd->size;
	if (size > X86_LOW_RAM_END || start > limit || size > ALIGN_DOWN(limit - start, 4096)) {
		log_error("--initrd %s: %llu bytes are more than this kernel can take", p->initrd->name, (unsigned long long)size);
		return EXIT_NOINPUT;
	}
	if (start > top || size > ALIGN_DOWN(top - start, 4096))
		return boot_no_room(p, "--initrd", p->initrd, start + ALIGN_UP(size, 4096));
	*gpa = ALIGN_DOWN(top - size, 4096);
	return boot_copy_in(p, p->initrd, 0, *gpa, size);
}

int boot_put_cmdline(const struct boot_params *p, u64 max)
{
	u64 len = strlen(p->cmdline);

	max = MIN(max, (u64)X86_CMDLINE_MAX - 1);
	if (len > max) {
		log_error("--cmdline: %llu bytes, this kernel takes at most %llu", (unsigned long long)len, (unsigned long long)max);
		return EXIT_USAGE;
	}
	return boot_put(p, X86_CMDLINE, p->cmdline, len + 1);
}

/* Intel SDM volume 3, 3.4.5 and 8.2: base 0, limit 4 GiB in pages, accessed bits set. The task state segment is empty and busy. */
int boot_put_gdt(const struct boot_params *p, bool long_mode)
{
	const u64 code = long_mode ? 0x00af9b000000ffffULL : 0x00cf9b000000ffffULL;
	const u64 gdt[6] = { 0, 0, code, 0x00cf93000000ffffULL, 0x00008b0000000067ULL, 0 };
	u8 raw[sizeof(gdt)];

	for (unsigned i = 0; i < ARRAY_SIZE(gdt); i++)
		put_le(raw + 8 * i, 8, gdt[i]);
	return boot_put(p, X86_BOOT_GDT, raw, sizeof(raw));
}

int boot_put_page_tables(const struct boot_params *p)
{
	enum { PRESENT_RW = 3, LARGE = 0x80, TABLES = 6 };
	u8 page[4096];
	int ret;

	/* One level-4 page, one level-3 page, four level-2 pages of 2 MiB leaves. */
	for (unsigned t = 0; t < TABLES; t++) {
		memset(page, 0, sizeof(page));
		if (t == 0)
			put_le(page, 8, (X86_BOOT_PT + 0x1000) | PRESENT_RW);
		for (unsigned i = 0; t == 1 && i < 4; i++)
			put_le(page + 8 * i, 8, (u64)(X86_BOOT_PT + 0x2000 + 0x1000 * i) | PRESENT_RW);
		for (unsigned i = 0; t >= 2 && i < 512; i++)
			put_le(page + 8 * i, 8, GiB(t - 2) + MiB(2 * i) + (PRESENT_RW | LARGE));
		ret = boot_put(p, X86_BOOT_PT + 0x1000 * t, page, sizeof(page));
		if (ret)
			return ret;
	}
	return 0;
}

/* What a file is that is neither of the two kinds: bytes at an offset, and what to say. */
static const struct {
	unsigned off, len;
	const char *magic, *say;
} foreign[] = {
	{ 0x38, 4, "ARM\x64", "is an arm64 kernel, this machine is x86_64" },
	{ 0x38, 4, "RSC\x05", "is a riscv kernel, this machine is x86_64" },
	{ 4, 4, "zimg", "is a compressed EFI image (zboot), take the bzImage or vmlinux" },
	{ 0, 2, "\x1f\x8b", "is gzip-compressed, unpack it first (gzip -dc)" },
	{ 0, 6, "\xfd" "7zXZ\0", "is xz-compressed, unpack it first (xz -dc)" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "is zstd-compressed, unpack it first (zstd -dc)" },
	{ 0, 3, "BZh", "is bzip2-compressed, unpack it first (bzip2 -dc)" },
	{ 0, 4, "\x02\x21\x4c\x18", "is lz4-compressed, unpack it first (lz4 -dc)" },
	{ 0, 2, "MZ", "is an EFI program without a Linux boot header, take the bzImage or vmlinux" },
};

int boot_load_x86_64(const struct boot_params *p, struct boot_entry *out)
{
	const struct boot_file *k = p->kernel;
	const char *say = "is no kernel image: neither a bzImage nor an ELF vmlinux";
	u8 head[BOOT_HEAD_LEN] = { 0 };
	int ret;

	ret = boot_pread(k, 0, head, (size_t)MIN(k->size, (u64)sizeof(head)));
	if (ret) {
		log_error("--kernel %s: %s", k->name, strerror(-ret));
		return EXIT_NOINPUT;
	}
	if (memcmp(head, "\177ELF", 4) == 0)
		return pvh_load(p, head, out);
	if (memcmp(head + 0x202, "HdrS", 4) == 0)
		return bzimage_load(p, head, out);
	for (unsigned i = 0; i < ARRAY_SIZE(foreign); i++) {
		if (memcmp(head + foreign[i].off, foreign[i].magic, foreign[i].len) == 0) {
			say = foreign[i].say;
			break;
		}
	}
	log_error("--kernel %s: %s", k->name, say);
	return EXIT_NOINPUT;
}
