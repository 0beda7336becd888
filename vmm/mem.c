/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/mem.h"

#define PAGE 4096ULL

struct mem {
	struct mem_slot slot[MEM_MAX_SLOTS];
	unsigned n;
	int fd; /* of the huge pages; -1: anonymous memory */
	bool pinned;
	/* The whole reservation of each slot, guard pages included. */
	void *area[MEM_MAX_SLOTS];
	size_t area_len[MEM_MAX_SLOTS];
};

static int check_ranges(const struct mem_range *r, unsigned n)
{
	if (n < 1 || n > MEM_MAX_SLOTS)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (!r[i].len || !IS_ALIGNED(r[i].gpa | r[i].len, PAGE) || r[i].gpa + r[i].len < r[i].gpa || r[i].len > BIT(52))
			return -EINVAL;
		if (i && r[i].gpa < r[i - 1].gpa + r[i - 1].len)
			return -EINVAL;
	}
	return 0;
}

/*
 * Reserves address space with room to place the slot congruent to its gpa modulo 1 GiB and inaccessible pages on both sides,
 * then maps the slot into it.
 */
static int map_slot(struct mem *m, unsigned i)
{
	int flags = m->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	struct mem_slot *s = &m->slot[i];
	u64 huge = GiB(1), lead;
	char *area, *at;

	m->area_len[i] = (size_t)(s->len + 2 * huge);
	area = mmap(NULL, m->area_len[i], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return -errno;
	m->area[i] = area;
	lead = (s->gpa - (u64)(uintptr_t)area) % huge;
	if (lead < PAGE)
		lead += huge;
	at = area + lead;
	if (mmap(at, s->len, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE, m->fd, (off_t)s->fd_offset) == MAP_FAILED)
		return -errno;
	s->hva = at;
	/* Both only advice: a kernel without transparent huge pages says EINVAL. */
	if (m->fd < 0)
		(void)madvise(at, s->len, MADV_HUGEPAGE);
	(void)madvise(at, s->len, MADV_DONTDUMP);
	return 0;
}

/* hugetlbfs pages are taken at once, so that a host without enough of them is noticed here and not by a SIGBUS in the guest. */
static int populate(const struct mem *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (fallocate(m->fd, 0, (off_t)m->slot[i].fd_offset, (off_t)m->slot[i].len) < 0)
			return errno == ENOSPC ? -ENOMEM : -errno;
	}
	return 0;
}

static int create_file(struct mem *m)
{
	const struct mem_slot *last = &m->slot[m->n - 1];

	m->fd = memfd_create("nidus-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB);
	if (m->fd < 0 || ftruncate(m->fd, (off_t)(last->fd_offset + last->len)) < 0)
		return -errno;
	/* The size is now fixed for good: RAM cannot be cut off under a running guest. */
	(void)fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	return 0;
}

int mem_create(const struct mem_range *ranges, unsigned n, bool hugepages, struct mem **out)
{
	struct mem *m;
	u64 end = 0;
	int err = check_ranges(ranges, n);

	if (err)
		return err;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->n = n;
	m->fd = -1;
	for (unsigned i = 0; i < n; i++) {
		struct mem_slot *s = &m->slot[i];

		*s = (struct mem_slot){ .gpa = ranges[i].gpa, .len = ranges[i].len };
		/* Huge pages need file offset and address congruent too; the file is sparse, so the gaps cost nothing. */
		s->fd_offset = end + (s->gpa - end) % GiB(1);
		end = s->fd_offset + s->len;
	}
	err = hugepages ? create_file(m) : 0;
	for (unsigned i = 0; i < n && !err; i++)
		err = map_slot(m, i);
	if (!err && hugepages)
		err = populate(m);
	if (err)
		mem_destroy(m);
	else
		*out = m;
	return err;
}

void mem_destroy(struct mem *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->n; i++) {
		if (m->area[i])
			munmap(m->area[i], m->area_len[i]);
	}
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

unsigned mem_slots(const struct mem *m, const struct mem_slot **slots)
{
	*slots = m->slot;
	return m->n;
}

int mem_fd(const struct mem *m)
{
	return m->fd;
}

u64 mem_total_bytes(const struct mem *m)
{
	u64 sum = 0;

	for (unsigned i = 0; i < m->n; i++)
		sum += m->slot[i].len;
	return sum;
}

int mem_gpa(const struct mem *m, const void *hva, gpa_t *gpa)
{
	for (unsigned i = 0; i < m->n; i++) {
		u64 off = (uintptr_t)hva - (uintptr_t)m->slot[i].hva;

		if (off < m->slot[i].len) {
			*gpa = m->slot[i].gpa + off;
			return 0;
		}
	}
	return -EFAULT;
}

/* The piece of [gpa, gpa + len) that lies in one slot, starting at gpa: its length, 0 if gpa is no RAM. */
static u64 piece(const struct mem *m, gpa_t gpa, u64 len, void **hva)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct mem_slot *s = &m->slot[i];
		u64 off = gpa - s->gpa;

		if (gpa >= s->gpa && off < s->len) {
			*hva = (char *)s->hva + off;
			return MIN(len, s->len - off);
		}
	}
	*hva = NULL;
	return 0;
}

bool mem_is_ram(const struct mem *m, gpa_t gpa, u64 len)
{
	void *hva;

	if (!len)
		return piece(m, gpa, 1, &hva) != 0;
	while (len) {
		u64 n = piece(m, gpa, len, &hva);

		if (!n)
			return false;
		len -= n;
		gpa += n;
	}
	return true;
}

int mem_read(const struct mem *m, gpa_t gpa, void *buf, u64 len)
{
	void *hva;

	if (!len)
		return 0;
	if (!mem_is_ram(m, gpa, len))
		return -EFAULT;
	for (char *to = buf; len;) {
		u64 n = piece(m, gpa, len, &hva);

		memcpy(to, hva, n);
		to += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int mem_write(const struct mem *m, gpa_t gpa, const void *buf, u64 len)
{
	void *hva;

	if (!len)
		return 0;
	if (!mem_is_ram(m, gpa, len))
		return -EFAULT;
	for (const char *from = buf; len;) {
		u64 n = piece(m, gpa, len, &hva);

		memcpy(hva, from, n);
		from += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int mem_zero(const struct mem *m, gpa_t gpa, u64 len)
{
	void *hva;

	if (!len)
		return 0;
	if (!mem_is_ram(m, gpa, len))
		return -EFAULT;
	while (len) {
		u64 n = piece(m, gpa, len, &hva);

		memset(hva, 0, n);
		gpa += n;
		len -= n;
	}
	return 0;
}

/* Slots start and end at page boundaries, so an aligned word never crosses one. */
static int word(const struct mem *m, gpa_t gpa, unsigned size, void **hva)
{
	if ((size != 2 && size != 4 && size != 8) || !IS_ALIGNED(gpa, size))
		return -EINVAL;
	return piece(m, gpa, size, hva) == size ? 0 : -EFAULT;
}

int mem_load(const struct mem *m, gpa_t gpa, unsigned size, u64 *val)
{
	void *hva;
	int err = word(m, gpa, size, &hva);

	if (err)
		return err;
	if (size == 2)
		*val = le16toh(__atomic_load_n((u16 *)hva, __ATOMIC_ACQUIRE));
	else if (size == 4)
		*val = le32toh(__atomic_load_n((u32 *)hva, __ATOMIC_ACQUIRE));
	else
		*val = le64toh(__atomic_load_n((u64 *)hva, __ATOMIC_ACQUIRE));
	return 0;
}

int mem_store(const struct mem *m, gpa_t gpa, unsigned size, u64 val)
{
	void *hva;
	int err = word(m, gpa, size, &hva);

	if (err)
		return err;
	if (size == 2)
		__atomic_store_n((u16 *)hva, htole16((u16)val), __ATOMIC_RELEASE);
	else if (size == 4)
		__atomic_store_n((u32 *)hva, htole32((u32)val), __ATOMIC_RELEASE);
	else
		__atomic_store_n((u64 *)hva, htole64(val), __ATOMIC_RELEASE);
	return 0;
}

int mem_cmpxchg64(const struct mem *m, gpa_t gpa, u64 old, u64 new_val)
{
	void *hva;
	int err = word(m, gpa, 8, &hva);
	u64 expect = htole64(old);

	if (err)
		return err;
	return __atomic_compare_exchange_n((u64 *)hva, &expect, htole64(new_val), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? 0 : -EAGAIN;
}

int mem_iov(const struct mem *m, gpa_t gpa, u64 len, struct iovec *iov, unsigned max)
{
	unsigned n = 0;

	if (!len || !mem_is_ram(m, gpa, len))
		return -EFAULT;
	while (len) {
		void *hva;
		u64 got = piece(m, gpa, len, &hva);

		if (n == max)
			return -E2BIG;
		iov[n++] = (struct iovec){ .iov_base = hva, .iov_len = got };
		gpa += got;
		len -= got;
	}
	return (int)n;
}

/* [off, off + len) of the slot is the host's again, and reads zero. */
static int give_back(const struct mem *m, const struct mem_slot *s, u64 off, u64 len)
{
	int r;

	if (m->fd < 0)
		r = madvise((char *)s->hva + off, len, MADV_DONTNEED);
	else
		r = fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(s->fd_offset + off), (off_t)len);
	return r < 0 ? -errno : 0;
}

int mem_discard(const struct mem *m, gpa_t gpa, u64 len)
{
	u64 end;
	int err = 0;

	if (!len || !mem_is_ram(m, gpa, len))
		return -EFAULT;
	end = ALIGN_DOWN(gpa + len, PAGE);
	gpa = ALIGN_UP(gpa, PAGE);
	for (unsigned i = 0; i < m->n && !err; i++) {
		const struct mem_slot *s = &m->slot[i];
		u64 from = MAX(gpa, s->gpa), to = MIN(end, s->gpa + s->len);

		if (from < to)
			err = give_back(m, s, from - s->gpa, to - from);
	}
	return err;
}

void mem_pin(struct mem *m)
{
	m->pinned = true;
}

int mem_clear(struct mem *m)
{
	int err = 0;

	for (unsigned i = 0; i < m->n && !err; i++) {
		const struct mem_slot *s = &m->slot[i];

		if (m->pinned)
			memset(s->hva, 0, s->len);
		else
			err = give_back(m, s, 0, s->len);
	}
	return err;
}
