/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl open64
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "devices/vhost_tlb.h"
#include "vmm/log.h"

#define PAGE 4096ULL

/* The kernel's side: what it can do, and the other end of its file. */
static struct {
	u64 have, want;
	int peer, err;
	const char *zero_copy;
} k;

int __real_ioctl(int fd, unsigned long req, ...);
int __wrap_ioctl(int fd, unsigned long req, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	if (req != VHOST_GET_BACKEND_FEATURES && req != VHOST_SET_BACKEND_FEATURES)
		return __real_ioctl(fd, req, arg);
	if (k.err) {
		errno = k.err;
		return -1;
	}
	if (req == VHOST_GET_BACKEND_FEATURES)
		*(u64 *)arg = k.have;
	else
		k.want = *(u64 *)arg;
	return 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
	int fd;

	if (!strstr(path, "experimental_zcopytx"))
		return __real_open64(path, flags);
	if (!k.zero_copy) {
		errno = ENOENT;
		return -1;
	}
	fd = memfd_create("zcopytx", 0);
	assert_int_equal(write(fd, k.zero_copy, strlen(k.zero_copy)), strlen(k.zero_copy));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* A page at IOVA 64 KiB * i for i < SPACE, at GPA BASE + 4 KiB * i; odd ones are read-only. */
#define SPACE 16
#define BASE 0x200000

struct bench {
	struct mem *mem;
	struct dma dma;
	struct vhost vh;
	struct vhost_tlb tlb;
	int live;
	unsigned gets;
	bool one_page; /* from IOVA 256 KiB on all is one page */
	u8 *ram;
};

static struct bench b;

/* Beyond them a crowded block: pages 0 to 3 in a row, of which 2 is read-only; 4 a hole, 5 elsewhere, 6 not written yet, 7 to 15 in a row. */
#define CROWD (SPACE << 16)
#define CROWD_PAGE(i) (CROWD + PAGE * (i))

static int crowd_get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	u64 i = (s->iova & 0xffff) / PAGE;

	if (i == 4 || (i == 2 && (s->perm & DMA_WRITE)))
		return -EFAULT;
	s->allowed = i == 2 || (i == 6 && s->perm == DMA_READ) ? DMA_READ : DMA_RW;
	s->clean = i == 6 && s->perm == DMA_READ;
	b.live++;
	return mem_iov(d->mem, BASE + (i == 5 ? 64 * PAGE : s->iova - CROWD + 32 * PAGE), s->len, iov, max);
}

static int space_get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	u64 i = s->iova >> 16;

	b.gets += !s->probe;
	if (b.one_page && s->iova >= 0x40000) {
		b.live++;
		return mem_iov(d->mem, BASE + (s->iova & 0xfff), s->len, iov, max);
	}
	if (i == SPACE)
		return crowd_get(d, s, iov, max);
	if (i >= SPACE || (s->iova & 0xffff) + s->len > PAGE || ((i & 1) && (s->perm & DMA_WRITE)))
		return -EFAULT;
	s->allowed = i & 1 ? DMA_READ : i == 8 && s->perm == DMA_READ ? DMA_READ : i == 10 ? DMA_WRITE : DMA_RW;
	b.live++;
	return mem_iov(d->mem, BASE + PAGE * i + (s->iova & 0xfff), s->len, iov, max);
}

static void space_put(struct dma *d, struct dma_span *s)
{
	b.live--;
}

static const struct dma_ops space = { .get = space_get, .put = space_put };

static int setup(void **state)
{
	const struct mem_range ram = { 0, MiB(4) };
	const struct mem_slot *slot;
	int sv[2];

	log_set_level(LOG_ERROR);
	memset(&k, 0, sizeof(k));
	memset(&b, 0, sizeof(b));
	k.have = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	assert_int_equal(mem_create(&ram, 1, false, &b.mem), 0);
	mem_slots(b.mem, &slot);
	b.ram = slot[0].hva;
	b.dma = (struct dma){ .ops = &space, .mem = b.mem };
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	k.peer = sv[1];
	fcntl(k.peer, F_SETFL, O_NONBLOCK);
	b.vh = (struct vhost){ .fd = sv[0], .features = BIT(VIRTIO_F_ACCESS_PLATFORM) };
	assert_true(vhost_tlb_able(&b.vh));
	assert_int_equal(vhost_tlb_init(&b.tlb, &b.vh, &b.dma, b.mem), 0);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(b.live, 0);
	vhost_tlb_fini(&b.tlb);
	vhost_tlb_fini(&b.tlb);
	close(b.vh.fd);
	close(k.peer);
	mem_destroy(b.mem);
	return 0;
}

static void miss(u64 iova, u8 perm)
{
	const struct vhost_msg_v2 m = { .type = VHOST_IOTLB_MSG_V2, .iotlb = { .iova = iova, .perm = perm, .type = VHOST_IOTLB_MISS } };

	assert_int_equal(write(k.peer, &m, sizeof(m)), sizeof(m));
}

/* What the kernel was told next; false: nothing. */
static bool told(struct vhost_iotlb_msg *out)
{
	struct vhost_msg_v2 m;

	if (read(k.peer, &m, sizeof(m)) != sizeof(m))
		return false;
	assert_int_equal(m.type, VHOST_IOTLB_MSG_V2);
	assert_int_equal(m.asid, 0);
	*out = m.iotlb;
	return true;
}

static void told_updates(u64 iova, u64 pages, u64 index, u8 perm)
{
	struct vhost_iotlb_msg m;

	assert_true(told(&m));
	assert_int_equal(m.type, VHOST_IOTLB_UPDATE);
	assert_int_equal(m.iova, iova);
	assert_int_equal(m.size, pages * PAGE);
	assert_int_equal(m.uaddr, (uintptr_t)b.ram + BASE + PAGE * index);
	assert_int_equal(m.perm, perm);
}

static void told_update(u64 iova, u64 index, u8 perm)
{
	told_updates(iova, 1, index, perm);
}

static void told_invalidate(u64 iova, u64 size)
{
	struct vhost_iotlb_msg m;

	assert_true(told(&m));
	assert_int_equal(m.type, VHOST_IOTLB_INVALIDATE);
	assert_int_equal(m.iova, iova);
	assert_int_equal(m.size, size);
}

static void told_nothing(void)
{
	struct vhost_iotlb_msg m;

	assert_false(told(&m));
}

static void test_able_needs_both_features_and_copies(void **state)
{
	assert_int_equal(k.want, BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_true(b.vh.iova);
	k.zero_copy = "0\n";
	assert_true(vhost_tlb_able(&b.vh));
	k.zero_copy = "";
	assert_true(vhost_tlb_able(&b.vh));
	k.zero_copy = "1\n";
	assert_false(vhost_tlb_able(&b.vh));
	k.zero_copy = NULL;
	k.have = 0;
	assert_false(vhost_tlb_able(&b.vh));
	k.have = ~0ULL;
	b.vh.features = ~BIT(VIRTIO_F_ACCESS_PLATFORM);
	assert_false(vhost_tlb_able(&b.vh));
	b.vh.features = ~0ULL;
	k.err = ENOTTY;
	assert_false(vhost_tlb_able(&b.vh));
	assert_int_equal(vhost_tlb_init(&b.tlb, &b.vh, &b.dma, b.mem), -ENOTTY);
}

static void test_misses_get_the_page_with_the_rights_it_has(void **state)
{
	vhost_tlb_start(&b.tlb);
	miss(0x20010, VHOST_ACCESS_RO);
	miss(0x40fff, VHOST_ACCESS_WO);
	miss(0x30000, VHOST_ACCESS_RO);
	miss(0x80000, VHOST_ACCESS_RO); /* writable, but its first write would have to be noted */
	miss(0x80000, VHOST_ACCESS_WO);
	miss(0xa0000, VHOST_ACCESS_WO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_update(0x20000, 2, VHOST_ACCESS_RW);
	told_update(0x40000, 4, VHOST_ACCESS_RW);
	told_update(0x30000, 3, VHOST_ACCESS_RO);
	told_update(0x80000, 8, VHOST_ACCESS_RO);
	told_update(0x80000, 8, VHOST_ACCESS_RW);
	told_update(0xa0000, 10, VHOST_ACCESS_WO);
	told_nothing();
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
}

static void test_a_page_out_of_reach_is_no_answer(void **state)
{
	vhost_tlb_start(&b.tlb);
	miss(0x20000, VHOST_ACCESS_RO);
	miss(0x30000, VHOST_ACCESS_WO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), -EFAULT);
	told_update(0x20000, 2, VHOST_ACCESS_RW);
	told_nothing();
	/* It may be late, so nothing was recorded; others wait until that is known, and all of them are dropped then. */
	assert_int_equal(b.gets, 0);
	miss(0x20000, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_nothing();
	vhost_tlb_stop(&b.tlb);
	told_invalidate(0, ~0ULL);
	for (unsigned i = 0; i < 2; i++) {
		struct vhost_iotlb_msg m;

		assert_true(told(&m));
		assert_int_equal(m.type, VHOST_IOTLB_UPDATE);
		assert_int_equal(m.iova, i ? 0x20000 : 0x30000);
		told_invalidate(m.iova, PAGE);
	}
	told_nothing();
	vhost_tlb_start(&b.tlb);
	miss(~0ULL, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), -EFAULT);
	told_nothing();
}

static void test_other_messages_are_passed_over(void **state)
{
	struct vhost_msg_v2 m = { .type = VHOST_IOTLB_MSG_V2, .iotlb = { .iova = 0x20000, .type = VHOST_IOTLB_ACCESS_FAIL } };

	vhost_tlb_start(&b.tlb);
	assert_int_equal(write(k.peer, &m, sizeof(m)), sizeof(m));
	m.type = 77;
	m.iotlb.type = VHOST_IOTLB_MISS;
	assert_int_equal(write(k.peer, &m, sizeof(m)), sizeof(m));
	miss(0x40000, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_update(0x40000, 4, VHOST_ACCESS_RW);
	told_nothing();
	assert_int_equal(write(k.peer, &m, 8), 8);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_nothing();
}

static void test_serving_is_bounded(void **state)
{
	struct vhost_iotlb_msg m;
	unsigned n = 0;

	vhost_tlb_start(&b.tlb);
	for (unsigned i = 0; i < 100; i++)
		miss(0x20000, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	while (told(&m))
		n++;
	assert_int_equal(n, 64);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	while (told(&m))
		n++;
	assert_int_equal(n, 100);
}

static void test_gone_tells_ranges_and_all(void **state)
{
	assert_int_equal(vhost_tlb_gone(&b.tlb, 0, ~0ULL), 0);
	told_nothing(); /* it has none yet */
	vhost_tlb_start(&b.tlb);
	assert_int_equal(vhost_tlb_gone(&b.tlb, 0x5000, 0x5fff), 0);
	told_invalidate(0x5000, PAGE);
	assert_int_equal(vhost_tlb_gone(&b.tlb, 0, ~0ULL), 0);
	told_invalidate(0, ~0ULL);
	assert_int_equal(vhost_tlb_gone(&b.tlb, ~0xfffULL, ~0ULL), 0);
	told_invalidate(~0xfffULL, PAGE);
	close(k.peer);
	k.peer = -1;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(vhost_tlb_gone(&b.tlb, 0, ~0ULL), -EPIPE);
}

static void test_stop_forgets_questions_too(void **state)
{
	struct vhost_iotlb_msg m;

	vhost_tlb_start(&b.tlb);
	miss(0x20000, VHOST_ACCESS_RO);
	miss(0xdead0000, VHOST_ACCESS_WO);
	vhost_tlb_stop(&b.tlb);
	told_invalidate(0, ~0ULL);
	/* Each is answered with a page of RAM and forgotten, without a look at the device's space. */
	for (unsigned i = 0; i < 2; i++) {
		assert_true(told(&m));
		assert_int_equal(m.type, VHOST_IOTLB_UPDATE);
		assert_int_equal(m.uaddr, (uintptr_t)b.ram);
		assert_int_equal(m.perm, VHOST_ACCESS_RO);
		told_invalidate(m.iova, PAGE);
	}
	assert_int_equal(b.gets, 0);
	/* One that comes late. */
	miss(0x20000, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	assert_true(told(&m));
	told_invalidate(0x20000, PAGE);
	assert_int_equal(b.gets, 0);
	vhost_tlb_stop(&b.tlb);
	told_nothing();
}

static void test_ring_is_told_once_per_page_written_first(void **state)
{
	/* All in one page. */
	struct vq q = { .size = 16, .desc = 0x20000, .avail = 0x20100, .used = 0x20200 };

	vhost_tlb_start(&b.tlb);
	assert_int_equal(vhost_tlb_ring(&b.tlb, &q), 0);
	told_invalidate(0x20000, PAGE);
	told_update(0x20000, 2, VHOST_ACCESS_RW);
	told_nothing();
	/* Apart, and the descriptors read-only. */
	q.desc = 0x30000;
	q.avail = 0x40100;
	assert_int_equal(vhost_tlb_ring(&b.tlb, &q), 0);
	told_invalidate(0x20000, PAGE);
	told_update(0x20000, 2, VHOST_ACCESS_RW);
	told_invalidate(0x40000, PAGE);
	told_update(0x40000, 4, VHOST_ACCESS_RW);
	told_invalidate(0x30000, PAGE);
	told_update(0x30000, 3, VHOST_ACCESS_RO);
	told_nothing();
	/* A used ring that may not be written, and one that ends in a hole. */
	q.used = 0x30200;
	assert_int_equal(vhost_tlb_ring(&b.tlb, &q), -EFAULT);
	told_invalidate(0x30000, PAGE);
	q.used = 0x20ff8;
	assert_int_equal(vhost_tlb_ring(&b.tlb, &q), -EFAULT);
}

/* Everything is mapped, for as long as anybody would ask. */
static int full_get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	if (b.gets++ == 32)
		return -EFAULT;
	s->allowed = DMA_RW;
	b.live++;
	return mem_iov(d->mem, BASE, s->len, iov, max);
}

static void test_ring_in_the_last_page_of_all_ends_there(void **state)
{
	static const struct dma_ops full = { .get = full_get, .put = space_put };
	struct vq q = { .size = 16, .desc = ~0xfffULL, .avail = ~0xeffULL, .used = ~0xdffULL };

	b.dma.ops = &full;
	vhost_tlb_start(&b.tlb);
	assert_int_equal(vhost_tlb_ring(&b.tlb, &q), 0);
	assert_int_equal(b.gets, 1);
	told_invalidate(~0xfffULL, PAGE);
	told_update(~0xfffULL, 0, VHOST_ACCESS_RW);
	told_nothing();
}

/* The kernel has a page from a translation that was good when it was made; an invalidation that comes meanwhile is told after it. */
static void *take_back(void *arg)
{
	assert_int_equal(vhost_tlb_gone(&b.tlb, 0x20000, 0x20fff), 0);
	return NULL;
}

static pthread_t taker;

static int racing_get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	int n = space_get(d, s, iov, max);

	if (s->iova != 0x20000)
		return n;
	assert_int_equal(pthread_create(&taker, NULL, take_back, NULL), 0);
	/* It cannot get past the lock, however long it is given. */
	usleep(20000);
	return n;
}

static void test_invalidation_during_an_answer_comes_after_it(void **state)
{
	static const struct dma_ops racing = { .get = racing_get, .put = space_put };

	b.dma.ops = &racing;
	vhost_tlb_start(&b.tlb);
	miss(0x20000, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	pthread_join(taker, NULL);
	told_update(0x20000, 2, VHOST_ACCESS_RW);
	told_invalidate(0x20000, PAGE);
	told_nothing();
}

static void test_an_answer_tells_what_is_around_before(void **state)
{
	vhost_tlb_start(&b.tlb);
	miss(CROWD_PAGE(9), VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_updates(CROWD_PAGE(0), 2, 32, VHOST_ACCESS_RW);
	told_update(CROWD_PAGE(2), 34, VHOST_ACCESS_RO);
	told_update(CROWD_PAGE(3), 35, VHOST_ACCESS_RW);
	told_update(CROWD_PAGE(5), 64, VHOST_ACCESS_RW);
	told_updates(CROWD_PAGE(7), 2, 39, VHOST_ACCESS_RW);
	told_updates(CROWD_PAGE(10), 6, 42, VHOST_ACCESS_RW);
	told_update(CROWD_PAGE(9), 41, VHOST_ACCESS_RW);
	told_nothing();
	/* What was told is not told again, unless it was taken back or is asked for. */
	assert_int_equal(vhost_tlb_gone(&b.tlb, CROWD_PAGE(8), CROWD_PAGE(9) + PAGE - 1), 0);
	told_invalidate(CROWD_PAGE(8), 2 * PAGE);
	miss(CROWD_PAGE(6), VHOST_ACCESS_WO);
	miss(CROWD_PAGE(0), VHOST_ACCESS_WO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_updates(CROWD_PAGE(8), 2, 40, VHOST_ACCESS_RW);
	told_update(CROWD_PAGE(6), 38, VHOST_ACCESS_RW);
	told_update(CROWD_PAGE(0), 32, VHOST_ACCESS_RW);
	told_nothing();
	assert_int_equal(vhost_tlb_gone(&b.tlb, 0, ~0ULL), 0);
	told_invalidate(0, ~0ULL);
	miss(CROWD_PAGE(0), VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), 0);
	told_update(CROWD_PAGE(1), 33, VHOST_ACCESS_RW);
}

/* A queue at page 2, entry i of its ring is descriptor i. */
static struct vq make_queue(struct virtio_dev *dev, u16 entries)
{
	struct vq q = { .dev = dev, .enabled = true, .size = 16, .max_size = 16, .desc = 0x20000, .avail = 0x20100, .used = 0x20200 };

	dev->fn.dma = &b.dma;
	for (u16 i = 0; i < 16; i++)
		put_le(b.ram + BASE + 2 * PAGE + 0x104 + 2 * i, 2, i);
	put_le(b.ram + BASE + 2 * PAGE + 0x102, 2, entries);
	return q;
}

static void put_desc(u16 i, u64 addr, u32 len, u16 flags, u16 next)
{
	u8 *at = b.ram + BASE + 2 * PAGE + 16 * i;

	put_le(at, 8, addr);
	put_le(at + 8, 4, len);
	put_le(at + 12, 2, flags);
	put_le(at + 14, 2, next);
}

/* What the kernel gave up is looked for from where it stands on, and nothing is told. */
static void test_a_right_that_is_missing_is_found(void **state)
{
	static const struct {
		u64 addr;
		u32 len;
		u16 flags, next;
		int want;
	} rows[] = {
		{ 0x40000, PAGE, F_WRITE, 0, 0 },
		{ 0x30000, PAGE, 0, 0, 0 },                       /* is only read */
		{ 0x30000, PAGE, F_WRITE, 0, -EFAULT },
		{ CROWD_PAGE(1), 2 * PAGE, F_WRITE, 0, -EFAULT }, /* its second page */
		{ CROWD_PAGE(2) - 16, 16, F_WRITE, 0, 0 },        /* just before it */
		{ CROWD_PAGE(2) - 16, 17, F_WRITE, 0, -EFAULT },
		{ 0xdead0000, 1, 0, 0, -EFAULT },
		{ 0x40000, 16, F_NEXT, 99, -EPROTO },
		{ 0x40000, 0, F_WRITE, 0, -EPROTO },
	};
	struct virtio_dev dev;
	struct vq q;

	vhost_tlb_start(&b.tlb);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&dev, 0, sizeof(dev));
		q = make_queue(&dev, 7);
		/* Served already, of no interest; one that is well; the row's, as the kernel may have had both at once. */
		put_desc(4, 0xdead0000, 1, F_WRITE, 0);
		put_desc(5, 0x40000, 8, F_WRITE, 0);
		put_desc(6, rows[i].addr, rows[i].len, rows[i].flags, rows[i].next);
		assert_int_equal(vhost_tlb_refused(&b.tlb, &q, 5), rows[i].want);
		assert_int_equal(dev.broken, rows[i].want == -EPROTO);
		/* Nothing is left, or it was another ring. */
		assert_int_equal(vhost_tlb_refused(&b.tlb, &q, 7), 0);
	}
	told_nothing();
}

/* A driver's largest lie costs no more than a round. */
static void test_looking_for_a_right_is_bounded(void **state)
{
	struct virtio_dev dev = { 0 };
	struct vq q = make_queue(&dev, 16);

	b.one_page = true;
	for (u16 i = 0; i < 16; i++)
		put_desc(i, 0x40000, UINT32_MAX, F_WRITE, 0);
	assert_int_equal(vhost_tlb_refused(&b.tlb, &q, 0), 0);
	assert_in_range(b.gets, 1024, 1100);
}

static void test_the_last_block_of_all_ends(void **state)
{
	vhost_tlb_start(&b.tlb);
	miss(~0ULL - 5, VHOST_ACCESS_RO);
	assert_int_equal(vhost_tlb_serve(&b.tlb), -EFAULT);
	assert_int_equal(vhost_tlb_gone(&b.tlb, ~0xffffULL, ~0ULL), 0);
	told_invalidate(~0xffffULL, 0x10000);
	told_nothing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_able_needs_both_features_and_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_misses_get_the_page_with_the_rights_it_has, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_page_out_of_reach_is_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_messages_are_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_serving_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_tells_ranges_and_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_forgets_questions_too, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_is_told_once_per_page_written_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_in_the_last_page_of_all_ends_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalidation_during_an_answer_comes_after_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_answer_tells_what_is_around_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_right_that_is_missing_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_looking_for_a_right_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_last_block_of_all_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
