/* SPDX-License-Identifier: Apache-2.0 */
// wrap: malloc calloc realloc strdup io_uring_queue_init_params
/* Once a device serves its queues it asks for no memory: a host that is short of it does not change what a guest sees. */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include <liburing.h>

#include "vmm/config.h"
#include "vmm/log.h"

#define REQUESTS 300
#define OUT DRV_DATA
#define IN (DRV_DATA + 0x1000)
#define IN_LEN 513

static unsigned allocs;
static bool no_uring;

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len)
{
	allocs++;
	return __real_malloc(len);
}

void *__real_calloc(size_t n, size_t len);
void *__wrap_calloc(size_t n, size_t len)
{
	allocs++;
	return __real_calloc(n, len);
}

void *__real_realloc(void *p, size_t len);
void *__wrap_realloc(void *p, size_t len)
{
	allocs++;
	return __real_realloc(p, len);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
	allocs++;
	return __real_strdup(s);
}

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
	return no_uring ? -EPERM : __real_io_uring_queue_init_params(entries, ring, p);
}

static struct drv d;
static char image[] = "/tmp/test_no_alloc.XXXXXX";

static int create_disk(const struct dev_ctx *ctx)
{
	const struct disk_cfg cfg = { .file = { .path = image, .fd = -1 } };

	no_uring = false;
	return virtio_blk_create(ctx, &cfg);
}

static int create_disk_of_thread(const struct dev_ctx *ctx)
{
	const struct disk_cfg cfg = { .file = { .path = image, .fd = -1 } };

	no_uring = true;
	return virtio_blk_create(ctx, &cfg);
}

static int create_balloon(const struct dev_ctx *ctx)
{
	struct vm_config c;

	config_init(&c);
	return virtio_balloon_create(ctx, &c);
}

/* A request as a disk knows it, the read of a sector; the other devices make of it what they can. */
static void request(unsigned q)
{
	drv_desc(&d, q, 0, OUT, 16, F_NEXT, 1);
	drv_desc(&d, q, 1, IN, IN_LEN, F_WRITE, 0);
	drv_avail(&d, q, 0);
	drv_kick(&d, q);
	drv_wait(&d, q, d.q[q].avail);
}

static void test_serving_queues_allocates_nothing(void **state)
{
	static const struct {
		const char *name;
		int (*create)(const struct dev_ctx *ctx);
		unsigned queues;
	} rows[] = {
		{ "disk, io_uring", create_disk, 1 },
		{ "disk, thread", create_disk_of_thread, 1 },
		{ "entropy", virtio_rng_create, 1 },
		{ "balloon", create_balloon, 2 },
	};

	log_set_level(LOG_ERROR);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned before;

		drv_open(&d);
		assert_int_equal(rows[i].create(&d.ctx), 0);
		drv_attach(&d);
		drv_start(&d, rows[i].queues, 64);
		drv_set_ram(&d, OUT, 8, 0);
		drv_set_ram(&d, OUT + 8, 8, 0);
		for (unsigned q = 0; q < rows[i].queues; q++)
			request(q);
		before = allocs;
		assert_true(before > 0);
		for (unsigned n = 0; n < REQUESTS; n++) {
			for (unsigned q = 0; q < rows[i].queues; q++)
				request(q);
		}
		if (allocs != before)
			fail_msg("%s: %u allocations", rows[i].name, allocs - before);
		drv_close(&d);
	}
}

static int make_image(void **state)
{
	int fd = mkstemp(image);

	if (fd < 0 || ftruncate(fd, MiB(1)) < 0)
		return -1;
	return close(fd);
}

static int remove_image(void **state)
{
	return unlink(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serving_queues_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, make_image, remove_image);
}
