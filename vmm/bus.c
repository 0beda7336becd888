/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/bus.h"
#include "vmm/log.h"

int bus_init(struct bus *b, const char *name)
{
	*b = (struct bus){ .name = name };
	return -pthread_rwlock_init(&b->lock, NULL);
}

void bus_fini(struct bus *b)
{
	free(b->regions);
	free(b->bells);
	pthread_rwlock_destroy(&b->lock);
}

/* Index of the first region whose base is above addr. */
static unsigned upper(const struct bus *b, u64 addr)
{
	unsigned lo = 0, hi = b->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (b->regions[mid].base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int grow(void **array, unsigned n, unsigned *cap, size_t size)
{
	void *p;

	if (n < *cap)
		return 0;
	p = realloc(*array, (*cap + 16) * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*cap += 16;
	return 0;
}

int bus_add(struct bus *b, const struct region *r)
{
	unsigned i;
	int err = 0;

	if (!r->len || r->base + r->len - 1 < r->base)
		return -EINVAL;
	pthread_rwlock_wrlock(&b->lock);
	i = upper(b, r->base);
	if ((i && r->base - b->regions[i - 1].base < b->regions[i - 1].len) || (i < b->n && b->regions[i].base - r->base < r->len))
		err = -EEXIST;
	else
		err = grow((void **)&b->regions, b->n, &b->cap, sizeof(*b->regions));
	if (!err) {
		memmove(&b->regions[i + 1], &b->regions[i], (b->n - i) * sizeof(*b->regions));
		b->regions[i] = *r;
		b->n++;
	}
	pthread_rwlock_unlock(&b->lock);
	return err;
}

void bus_remove(struct bus *b, u64 base)
{
	unsigned i;

	pthread_rwlock_wrlock(&b->lock);
	i = upper(b, base);
	if (i && b->regions[i - 1].base == base) {
		memmove(&b->regions[i - 1], &b->regions[i], (b->n - i) * sizeof(*b->regions));
		b->n--;
	}
	pthread_rwlock_unlock(&b->lock);
}

int bus_doorbell_add(struct bus *b, u64 addr, unsigned len, int fd)
{
	struct bus_doorbell d = { .addr = addr, .len = len, .fd = fd };
	int err;

	if (b->hooks && b->hooks->ioeventfd)
		d.in_kernel = b->hooks->ioeventfd(b->hook_ctx, addr, len, fd, true) == 0;
	pthread_rwlock_wrlock(&b->lock);
	err = grow((void **)&b->bells, b->n_bells, &b->cap_bells, sizeof(*b->bells));
	if (!err)
		b->bells[b->n_bells++] = d;
	pthread_rwlock_unlock(&b->lock);
	if (err && d.in_kernel)
		(void)b->hooks->ioeventfd(b->hook_ctx, addr, len, fd, false);
	return err;
}

void bus_doorbell_del(struct bus *b, u64 addr, unsigned len, int fd)
{
	bool in_kernel = false;

	pthread_rwlock_wrlock(&b->lock);
	for (unsigned i = 0; i < b->n_bells; i++) {
		struct bus_doorbell *d = &b->bells[i];

		if (d->addr == addr && d->len == len && d->fd == fd) {
			in_kernel = d->in_kernel;
			*d = b->bells[--b->n_bells];
			break;
		}
	}
	pthread_rwlock_unlock(&b->lock);
	if (in_kernel)
		(void)b->hooks->ioeventfd(b->hook_ctx, addr, len, fd, false);
}

int bus_map(struct bus *b, gpa_t gpa, u64 len, void *hva, bool readonly)
{
	if (!b->hooks || !b->hooks->map)
		return -ENOSYS;
	return b->hooks->map(b->hook_ctx, gpa, len, hva, readonly, true);
}

void bus_unmap(struct bus *b, gpa_t gpa, u64 len, void *hva)
{
	if (b->hooks && b->hooks->map)
		(void)b->hooks->map(b->hook_ctx, gpa, len, hva, false, false);
}

/* The region that holds the whole access, copied: the caller calls it without the lock. */
static bool find(struct bus *b, u64 addr, unsigned size, struct region *out)
{
	bool found = false;
	unsigned i;

	pthread_rwlock_rdlock(&b->lock);
	i = upper(b, addr);
	if (i && range_within(addr, size, b->regions[i - 1].base, b->regions[i - 1].len)) {
		*out = b->regions[i - 1];
		found = true;
	}
	pthread_rwlock_unlock(&b->lock);
	return found;
}

/* Doorbells that the kernel did not take (or there is no kernel: tests). */
static bool ring(struct bus *b, u64 addr, unsigned size)
{
	const u64 one = 1;
	bool rung = false;

	pthread_rwlock_rdlock(&b->lock);
	for (unsigned i = 0; i < b->n_bells; i++) {
		const struct bus_doorbell *d = &b->bells[i];

		if (!d->in_kernel && d->addr == addr && (!d->len || d->len == size)) {
			/* EAGAIN is a full counter: the bell is ringing already. */
			rung = write(d->fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN;
		}
	}
	pthread_rwlock_unlock(&b->lock);
	return rung;
}

void bus_read(struct bus *b, u64 addr, unsigned size, u64 *val)
{
	struct region r;

	*val = size_mask(size);
	if (size < 1 || size > 8)
		return;
	if (!find(b, addr, size, &r)) {
		log_debug("%s: read of %u bytes at 0x%llx reaches no device", b->name, size, (unsigned long long)addr);
		return;
	}
	r.ops->read(r.dev, addr - r.base, size, val);
	*val &= size_mask(size);
}

void bus_write(struct bus *b, u64 addr, unsigned size, u64 val)
{
	struct region r;

	if (size < 1 || size > 8 || ring(b, addr, size))
		return;
	if (!find(b, addr, size, &r)) {
		log_debug("%s: write of %u bytes at 0x%llx reaches no device", b->name, size, (unsigned long long)addr);
		return;
	}
	r.ops->write(r.dev, addr - r.base, size, val & size_mask(size));
}

void bus_for_each(struct bus *b, void (*fn)(const struct region *r, void *arg), void *arg)
{
	pthread_rwlock_rdlock(&b->lock);
	for (unsigned i = 0; i < b->n; i++)
		fn(&b->regions[i], arg);
	pthread_rwlock_unlock(&b->lock);
}
