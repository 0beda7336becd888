/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host kernel with one assigned function, or two behind IOMMUs of their own: wrapped calls on their descriptors and the iommufd's,
 * everything else is passed on. Each call on them is counted, and call number fail_at fails. The test file names:
 * open64 ioctl pread64 pwrite64 mmap64 close
 */
#ifndef TESTS_VFIO_FAKE_H
#define TESTS_VFIO_FAKE_H

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "tests/unit/fake_sysfs.h"
#include "tests/unit/pci_rig.h"
#include "vmm/kvm_vfio.h"
#include "vmm/log.h"
#include "vmm/vfio_priv.h"

#define FAKE_BDF "0000:00:04.0"
#define FAKE_BDF_2 "0000:00:05.0"
#define FAKE_OFF(index) ((u64)(index) << 40)
#define FAKE_BAR_SIZE 0x4000

static struct {
	/* what the host is */
	u64 cap, ecap;
	u64 cap_2, ecap_2; /* of the second function's IOMMU */
	bool amd;          /* the IOMMU is AMD's, of a kernel that can nest its tables */
	u64 efr, efr2;
	bool ats;          /* the device may use a device TLB */
	int viommu_errno, amd_table_errno;
	unsigned busy_for; /* so many attachments find the device being reset */
	bool differ;       /* a parent of the one IOMMU does not fit the other */
	void (*on_cfg_write)(void); /* called once, before the next write to config space */
	void (*on_reset)(void); /* called while the device is being reset */
	bool no_reset, noresize, no_map_file, intx_only;
	u32 vectors; /* MSI and MSI-X vectors that the host has; 0: enough */
	bool null_is_dev; /* /dev/null is the device file, as one inherited */
	u64 rom_size;
	bool no_dmabuf, no_dmabuf_map;
	int dmabuf_fd;
	struct { u64 off, len; u32 region; } dmabuf; /* the last one */
	u64 peer_at; /* where it was mapped last */
	unsigned n_peers, n_dmabufs;
	unsigned n_rom_reads;
	int bind_errno, map_errno, open_errno, invalidate_errno, attach_errno, detach_errno;
	unsigned fail_at, fail_len; /* calls number fail_at to fail_at + fail_len - 1 fail; 0: none, and one */
	/* what happened */
	unsigned calls;
	int dev_fd, dev_2_fd, iommu_fd;
	u32 dev_id_2, attached_2;
	bool of_2[64]; /* by HWPT: made for the second function */
	u8 cfg[PCI_CFG_SIZE], bar[FAKE_BAR_SIZE];
	struct { u64 off; unsigned size; u64 val; } cfg_write[64];
	unsigned n_cfg_writes;
	u32 live[64];
	unsigned n_live;
	u32 next_id;
	bool bound;
	u32 attached; /* 0: blocked */
	unsigned n_attach, n_detach, n_reset, n_hot_reset, n_mapped, n_by_file, n_inv_calls, n_inv, n_inv_done;
	struct iommufd_vtd_s1_inv inv[64];
	struct iommufd_amd_inv amd_inv[64];
	struct iommufd_amd_guest dte; /* the latest */
	u64 virt_id;
	u32 viommu_type;
	char seq[65];      /* of attachments: D detached, P what is no nested table, N a nested one */
	unsigned n_seq;
	struct iommufd_vtd_s1 s1;
	u64 root_of[64]; /* by HWPT; 0: no nested table */
	unsigned in_kvm;
	u32 irq_on[VFIO_IRQS]; /* vectors enabled */
	s32 irq_fd[VFIO_IRQS][64];
	unsigned n_unmask, n_set_irqs;
	unsigned n_mmaps, n_sleeps;
} fake;

int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long req, ...);
int __wrap_close(int fd);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
int __real_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long req, ...);
int __real_close(int fd);
ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);

/* A capability's header. */
static inline void fake_cap(unsigned at, u8 id, u8 next)
{
	fake.cfg[at] = id;
	fake.cfg[at + 1] = next;
}

static inline void fake_ext(unsigned at, u16 id, unsigned next)
{
	put_le(fake.cfg + at, 4, id | 1U << 16 | next << 20);
}

#define FAKE_MSIX 0x40
#define FAKE_PM 0x60
#define FAKE_EXP 0x80
#define FAKE_MSI 0xc0
#define FAKE_VNDR 0xd0
#define FAKE_VPD 0xe0

/* An NVMe controller as a root complex integrated endpoint, with everything that a guest must not have. */
static inline void fake_init(void)
{
	u8 *c = fake.cfg;

	memset(&fake, 0, sizeof(fake));
	fake.dev_fd = fake.dev_2_fd = fake.iommu_fd = -1;
	fake.next_id = 1;
	fake.cap = fake.ecap = fake.cap_2 = fake.ecap_2 = ~0ULL;
	fake.efr = fake.efr2 = ~0ULL;
	put_le(c, 4, 0x00101b36);
	put_le(c + PCI_COMMAND, 4, 0x0010 << 16 | 7);
	put_le(c + PCI_CLASS_REVISION, 4, 0x01080202);
	put_le(c + PCI_BASE_ADDRESS_0, 4, 0xfe000004);
	put_le(c + PCI_SUBSYSTEM_VENDOR_ID, 4, 0x11001af4);
	c[PCI_CAPABILITY_LIST] = FAKE_MSIX;
	c[PCI_INTERRUPT_PIN] = 1;
	fake_cap(FAKE_MSIX, PCI_CAP_ID_MSIX, FAKE_PM);
	put_le(c + FAKE_MSIX + 2, 2, 7);
	put_le(c + FAKE_MSIX + 4, 8, 0x2000 | (u64)0x3000 << 32);
	fake_cap(FAKE_PM, PCI_CAP_ID_PM, FAKE_EXP);
	put_le(c + FAKE_PM + 2, 4, 0xc803);
	fake_cap(FAKE_EXP, PCI_CAP_ID_EXP, FAKE_MSI);
	put_le(c + FAKE_EXP + 2, 2, 0x92);
	put_le(c + FAKE_EXP + 4, 4, 0x10008fe1);
	put_le(c + FAKE_EXP + PCI_EXP_DEVCTL, 2, 0x2810);
	fake_cap(FAKE_MSI, PCI_CAP_ID_MSI, FAKE_VNDR);
	put_le(c + FAKE_MSI + 2, 2, 0x0184);
	fake_cap(FAKE_VNDR, PCI_CAP_ID_VNDR, FAKE_VPD);
	c[FAKE_VNDR + 2] = 8;
	fake_cap(FAKE_VPD, PCI_CAP_ID_VPD, 0);
	fake_ext(0x100, PCI_EXT_CAP_ID_ERR, 0x140);
	fake_ext(0x140, PCI_EXT_CAP_ID_DSN, 0x150);
	put_le(c + 0x144, 8, 0x1122334455667788);
	fake_ext(0x150, PCI_EXT_CAP_ID_ATS, 0x160);
	fake_ext(0x160, PCI_EXT_CAP_ID_PASID, 0x170);
	fake_ext(0x170, PCI_EXT_CAP_ID_SRIOV, 0);
}

static inline bool fake_is(int fd)
{
	struct stat st;

	if (fd < 0)
		return false;
	if (fake.null_is_dev && fd != fake.iommu_fd)
		return fstat(fd, &st) == 0 && st.st_rdev == makedev(1, 3);
	return fd == fake.dev_fd || fd == fake.dev_2_fd || fd == fake.iommu_fd;
}

/* True: this call is to fail, and errno says so. */
static inline bool fake_fails(void)
{
	errno = EIO;
	fake.calls++;
	return fake.fail_at && fake.calls >= fake.fail_at && fake.calls - fake.fail_at < MAX(fake.fail_len, 1U);
}

int __wrap_open64(const char *path, int flags, ...)
{
	bool iommu = strcmp(path, "/dev/iommu") == 0;

	if (!iommu && strncmp(path, "/dev/vfio/devices/", 18) != 0)
		return __real_open64(path, flags, 0600);
	if (fake_fails())
		return -1;
	if (iommu && fake.open_errno) {
		errno = fake.open_errno;
		return -1;
	}
	if (iommu)
		return fake.iommu_fd = memfd_create("fake", MFD_CLOEXEC);
	return *(strcmp(path, "/dev/vfio/devices/vfio1") == 0 ? &fake.dev_2_fd : &fake.dev_fd) = memfd_create("fake", MFD_CLOEXEC);
}

int __wrap_close(int fd)
{
	if (fake_is(fd) && fd == fake.iommu_fd)
		fake.iommu_fd = -1;
	else if (fake_is(fd) && fd == fake.dev_2_fd)
		fake.dev_2_fd = -1;
	else if (fake_is(fd))
		fake.dev_fd = -1;
	return __real_close(fd);
}

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
	u64 at = (u64)off & (FAKE_OFF(1) - 1);
	const u8 *from = (u64)off >> 40 == VFIO_REGION_CONFIG ? fake.cfg : fake.bar;

	if (!fake_is(fd))
		return __real_pread64(fd, buf, len, off);
	fake.n_rom_reads += (u64)off >> 40 == VFIO_REGION_ROM;
	if (fake_fails() || at + len > (from == fake.cfg ? PCI_CFG_SIZE : FAKE_BAR_SIZE))
		return -1;
	memcpy(buf, from + at, len);
	return (ssize_t)len;
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	u64 at = (u64)off & (FAKE_OFF(1) - 1);
	bool cfg = (u64)off >> 40 == VFIO_REGION_CONFIG;

	void (*hook)(void) = fake.on_cfg_write;

	if (!fake_is(fd))
		return __real_pwrite64(fd, buf, len, off);
	if (hook && cfg) {
		fake.on_cfg_write = NULL;
		hook();
	}
	if (fake_fails() || at + len > (cfg ? PCI_CFG_SIZE : FAKE_BAR_SIZE))
		return -1;
	memcpy((cfg ? fake.cfg : fake.bar) + at, buf, len);
	if (cfg && fake.n_cfg_writes < ARRAY_SIZE(fake.cfg_write)) {
		fake.cfg_write[fake.n_cfg_writes].off = at;
		fake.cfg_write[fake.n_cfg_writes].size = (unsigned)len;
		fake.cfg_write[fake.n_cfg_writes++].val = get_le(buf, (unsigned)len);
	}
	return (ssize_t)len;
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (!fake_is(fd))
		return __real_mmap64(at, len, prot, flags, fd, off);
	if (fake_fails())
		return MAP_FAILED;
	fake.n_mmaps++;
	return __real_mmap64(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Time is not waited for. Only where the test file names nanosleep too. */
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	fake.n_sleeps++;
	return 0;
}

static inline u32 fake_object(void)
{
	assert_true(fake.n_live < ARRAY_SIZE(fake.live));
	return fake.live[fake.n_live++] = fake.next_id++;
}

static inline int fake_error(int err)
{
	errno = err;
	return err ? -1 : 0;
}

static inline bool fake_alive(u32 id)
{
	for (unsigned i = 0; i < fake.n_live; i++) {
		if (fake.live[i] == id)
			return true;
	}
	return false;
}

static inline int fake_destroy(u32 id)
{
	if (id == fake.attached || id == fake.attached_2)
		return fake_error(EBUSY);
	for (unsigned i = 0; i < fake.n_live; i++) {
		if (fake.live[i] == id) {
			fake.live[i] = fake.live[--fake.n_live];
			return 0;
		}
	}
	return fake_error(ENOENT);
}

static inline int fake_map_dmabuf(struct iommufd_ioas_map_file *m)
{
	if (fake.no_dmabuf_map || m->start || m->length != fake.dmabuf.len)
		return fake_error(EINVAL);
	if (!(m->flags & IOMMUFD_MAP_FIXED))
		m->iova = 0x12340000;
	fake.peer_at = m->iova;
	fake.n_peers++;
	return 0;
}

static inline int fake_export(const struct vfio_dma_buf *b)
{
	if (fake.no_dmabuf || b->flags != (VFIO_FEATURE_GET | VFIO_FEATURE_DMA_BUF) || b->argsz != sizeof(*b) || b->nr_ranges != 1 || b->zero)
		return fake_error(ENOTTY);
	fake.dmabuf.region = b->region_index;
	fake.dmabuf.off = b->offset;
	fake.dmabuf.len = b->length;
	fake.n_dmabufs++;
	return fake.dmabuf_fd = memfd_create("dmabuf", MFD_CLOEXEC);
}

static inline void fake_sequence(char what)
{
	if (fake.n_seq < sizeof(fake.seq) - 1)
		fake.seq[fake.n_seq++] = what;
}

/* With the checks of Linux. The root is where the GCR3 table is. */
static inline int fake_amd_table(struct iommufd_hwpt_alloc *a)
{
	const u64 *d;

	if (fake.amd_table_errno || !fake.amd || a->data_len != 32)
		return fake_error(fake.amd_table_errno ? fake.amd_table_errno : EOPNOTSUPP);
	fake.dte = *(struct iommufd_amd_guest *)(uintptr_t)a->data_uptr;
	d = fake.dte.dte;
	a->out_id = fake_object();
	fake.root_of[a->out_id % 64] = (d[0] >> 58 & 7) << 12 | (d[1] >> 16 & 0xffff) << 15 | (d[1] >> 43) << 31;
	return fake_error((d[0] & (GENMASK(51, 12) | GENMASK(11, 9))) || !fake.root_of[a->out_id % 64] ? EINVAL : 0);
}

static inline int fake_amd_inv(struct iommufd_invalidate *v)
{
	const struct iommufd_amd_inv *e = (void *)(uintptr_t)v->data_uptr;

	if (fake.invalidate_errno || !fake_alive(v->hwpt_id))
		v->entry_num = 0;
	for (u32 i = 0; i < v->entry_num && fake.n_inv < ARRAY_SIZE(fake.amd_inv); i++)
		fake.amd_inv[fake.n_inv++] = e[i];
	fake.n_inv_calls++;
	fake.n_inv_done += v->entry_num;
	return fake_error(fake.invalidate_errno);
}

static inline int fake_iommu_ioctl(unsigned long req, void *arg)
{
	switch (req) {
	case IOMMUFD_DESTROY:
		return fake_destroy(((struct iommufd_destroy *)arg)->id);
	case IOMMUFD_IOAS_ALLOC:
		((struct iommufd_ioas_alloc *)arg)->out_id = fake_object();
		return 0;
	case IOMMUFD_IOAS_MAP_FILE:
		if (fake.no_map_file)
			return fake_error(ENOTTY);
		if (fake.n_dmabufs && ((struct iommufd_ioas_map_file *)arg)->fd == fake.dmabuf_fd)
			return fake_map_dmabuf(arg);
		fake.n_by_file++;
		/* fall through */
	case IOMMUFD_IOAS_MAP:
		fake.n_mapped += !fake.map_errno;
		return fake_error(fake.map_errno);
	case IOMMUFD_IOAS_UNMAP:
		if (((struct iommufd_ioas_unmap *)arg)->iova != fake.peer_at)
			return fake_error(ENOENT);
		fake.n_peers--;
		return 0;
	case IOMMUFD_GET_HW_INFO: {
		struct iommufd_hw_info *h = arg;

		if (fake.amd) {
			h->out_data_type = IOMMUFD_HW_AMD;
			h->out_capabilities = fake.ats ? 0 : IOMMUFD_CAP_NO_ATS;
			*(struct iommufd_hw_amd *)(uintptr_t)h->data_uptr = (struct iommufd_hw_amd){ fake.efr, fake.efr2 };
			return 0;
		}
		h->out_data_type = IOMMUFD_HW_VTD;
		((struct iommufd_hw_vtd *)(uintptr_t)h->data_uptr)->ecap = h->dev_id == fake.dev_id_2 ? fake.ecap_2 : fake.ecap;
		((struct iommufd_hw_vtd *)(uintptr_t)h->data_uptr)->cap = h->dev_id == fake.dev_id_2 ? fake.cap_2 : fake.cap;
		return 0;
	}
	case IOMMUFD_HWPT_ALLOC: {
		struct iommufd_hwpt_alloc *a = arg;

		if (!fake_alive(a->pt_id))
			return fake_error(ENOENT);
		if (a->data_type == IOMMUFD_HWPT_DATA_AMD_GUEST)
			return fake_amd_table(a);
		if (a->data_type == IOMMUFD_HWPT_DATA_VTD_S1)
			fake.s1 = *(struct iommufd_vtd_s1 *)(uintptr_t)a->data_uptr;
		a->out_id = fake_object();
		fake.of_2[a->out_id % 64] = a->dev_id == fake.dev_id_2;
		fake.root_of[a->out_id % 64] = a->data_type == IOMMUFD_HWPT_DATA_VTD_S1 ? fake.s1.pgtbl_addr : 0;
		return 0;
	}
	case IOMMUFD_HWPT_INVALIDATE: {
		struct iommufd_invalidate *v = arg;
		const struct iommufd_vtd_s1_inv *e = (void *)(uintptr_t)v->data_uptr;

		if (v->data_type == IOMMUFD_INV_AMD)
			return fake_amd_inv(v);
		fake.n_inv_calls++;
		for (u32 i = 0; i < v->entry_num && fake.n_inv < ARRAY_SIZE(fake.inv); i++)
			fake.inv[fake.n_inv++] = e[i];
		if (fake.invalidate_errno)
			v->entry_num = 0;
		fake.n_inv_done += v->entry_num;
		return fake_error(fake.invalidate_errno);
	}
	case IOMMUFD_VIOMMU_ALLOC: {
		struct iommufd_viommu_alloc *a = arg;

		if (!fake.amd || fake.viommu_errno || !a->type || a->flags || !fake_alive(a->hwpt_id))
			return fake_error(fake.viommu_errno ? fake.viommu_errno : EOPNOTSUPP);
		fake.viommu_type = a->type;
		a->out_id = fake_object();
		return 0;
	}
	case IOMMUFD_VDEVICE_ALLOC: {
		struct iommufd_vdevice_alloc *a = arg;

		if (!fake_alive(a->viommu_id))
			return fake_error(ENOENT);
		fake.virt_id = a->virt_id;
		a->out_id = fake_object();
		return 0;
	}
	default:
		return fake_error(ENOTTY);
	}
}

static inline int fake_region(struct vfio_region_reply *r)
{
	*r = (struct vfio_region_reply){ .argsz = sizeof(*r), .index = r->index, .offset = FAKE_OFF(r->index) };
	if (r->index == 0) {
		r->size = FAKE_BAR_SIZE;
		r->flags = VFIO_REGION_READ | VFIO_REGION_WRITE | VFIO_REGION_MMAP;
	}
	/* Any BAR that the header has is as large as the first; they share their bytes. */
	if (r->index > 0 && r->index < PCI_BARS && get_le(fake.cfg + PCI_BASE_ADDRESS_0 + 4 * r->index, 4))
		r->size = FAKE_BAR_SIZE;
	if (r->index == VFIO_REGION_ROM)
		r->size = fake.rom_size;
	if (r->index == VFIO_REGION_CONFIG)
		r->size = PCI_CFG_SIZE;
	return 0;
}

static inline int fake_irq_info(struct vfio_irq_reply *r)
{
	static const u32 count[VFIO_IRQS] = { 1, 4, 8, 1, 1 };

	r->count = fake.intx_only && r->index && r->index < VFIO_IRQ_ERR ? 0 : count[r->index];
	r->flags = fake.noresize ? VFIO_IRQ_NORESIZE : 0;
	return 0;
}

static inline int fake_set_irqs(const struct vfio_irq_request *r)
{
	fake.n_set_irqs++;
	if (r->flags & VFIO_SET_UNMASK) {
		fake.n_unmask++;
		return 0;
	}
	if (!r->count) {
		fake.irq_on[r->index] = 0;
		return 0;
	}
	/* One kind of the first three at a time. */
	for (u32 i = 0; i < VFIO_IRQ_ERR; i++) {
		if (i != r->index && r->index < VFIO_IRQ_ERR && fake.irq_on[i])
			return fake_error(EINVAL);
	}
	if (fake.noresize && fake.irq_on[r->index] && r->start + r->count > fake.irq_on[r->index])
		return fake_error(EINVAL);
	/* As the kernel answers: how many could be had. */
	if (fake.vectors && (r->index == VFIO_IRQ_MSI || r->index == VFIO_IRQ_MSIX) && r->start + r->count > fake.vectors)
		return (int)fake.vectors;
	fake.irq_on[r->index] = MAX(fake.irq_on[r->index], r->start + r->count);
	for (u32 i = 0; i < r->count; i++)
		fake.irq_fd[r->index][r->start + i] = r->fd[i];
	return 0;
}

static inline int fake_attach(const struct vfio_attach_pt *a, bool second)
{
	if (fake.attach_errno)
		return fake_error(fake.attach_errno);
	if (fake.busy_for) {
		fake.busy_for--;
		return fake_error(EBUSY);
	}
	if (!fake_alive(a->pt_id))
		return fake_error(ENOENT);
	if (fake.differ && fake.of_2[a->pt_id % 64] != second)
		return fake_error(EINVAL);
	*(second ? &fake.attached_2 : &fake.attached) = a->pt_id;
	fake_sequence(fake.root_of[a->pt_id % 64] ? 'N' : 'P');
	fake.n_attach++;
	return 0;
}

static inline int fake_dev_ioctl(unsigned long req, void *arg, bool second)
{
	switch (req) {
	case VFIO_BIND_IOMMUFD:
		if (fake.bind_errno)
			return fake_error(fake.bind_errno);
		((struct vfio_bind *)arg)->out_devid = fake_object();
		fake.n_live--; /* the kernel's own: it goes with the descriptor */
		if (second)
			fake.dev_id_2 = ((struct vfio_bind *)arg)->out_devid;
		fake.bound = true;
		return 0;
	case VFIO_GET_INFO:
		((struct vfio_info *)arg)->flags = VFIO_INFO_PCI | (fake.no_reset ? 0 : VFIO_INFO_RESET);
		return 0;
	case VFIO_GET_REGION_INFO:
		return fake_region(arg);
	case VFIO_GET_IRQ_INFO:
		return fake_irq_info(arg);
	case VFIO_SET_IRQS:
		return fake_set_irqs(arg);
	case VFIO_FEATURE:
		return fake_export(arg);
	case VFIO_RESET:
		if (fake.on_reset)
			fake.on_reset();
		fake.n_reset++;
		return 0;
	case VFIO_PCI_HOT_RESET:
		fake.n_hot_reset++;
		return fake_error(ENOTTY);
	case VFIO_ATTACH_PT:
		return fake_attach(arg, second);
	case VFIO_DETACH_PT:
		if (fake.detach_errno)
			return fake_error(fake.detach_errno);
		*(second ? &fake.attached_2 : &fake.attached) = 0;
		fake_sequence('D');
		fake.n_detach++;
		return 0;
	default:
		return fake_error(ENOTTY);
	}
}

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	if (!fake_is(fd))
		return __real_ioctl(fd, req, arg);
	if (fake_fails())
		return -1;
	return fd == fake.iommu_fd ? fake_iommu_ioctl(req, arg) : fake_dev_ioctl(req, arg, fd == fake.dev_2_fd);
}

/* In place of kvm_vfio.c. */
int kvm_vfio_create(const struct kvm *k, int *fd)
{
	*fd = -1;
	return fake_fails() ? -EIO : 0;
}

int kvm_vfio_file(int kvm_vfio_fd, int device_fd, bool add)
{
	if (fake_fails())
		return -EIO;
	fake.in_kvm += add ? 1U : -1U;
	return 0;
}

/* --- a machine around it --- */

struct vfio_rig {
	struct rig pci;
	char sys[32];
	struct vm_config c;
	struct kvm k;
	struct event *ev;
	struct mem *mem;
	struct dev_ctx ctx;
	struct dma dma;
	struct vfio *v;
	unsigned n_failed;
};

static inline void vfio_rig_machine(void *arg, enum machine_event e, u32 code)
{
	((struct vfio_rig *)arg)->n_failed += e == MACHINE_FAILED;
}

static inline int vfio_rig_dma(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma)
{
	*dma = ctx->dma_arg;
	return 0;
}

static inline void vfio_rig_init(struct vfio_rig *r)
{
	static const struct mem_range ram = { 0, MiB(1) };
	struct sysfs_fn fn = { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = 7, .cdev = "vfio0" };

	memset(r, 0, sizeof(*r));
	fake_init();
	rig_init(&r->pci);
	assert_false(r->pci.failed);
	sysfs_new(r->sys);
	sysfs_add(r->sys, &fn);
	config_init(&r->c);
	r->c.n_vfios = 1;
	r->c.vfios[0].bdf = strdup(FAKE_BDF);
	assert_int_equal(event_create(&r->ev), 0);
	assert_int_equal(mem_create(&ram, 1, false, &r->mem), 0);
	r->ctx = (struct dev_ctx){ .mmio = &r->pci.bus, .pci = r->pci.host, .irq = r->pci.irq, .ev = r->ev, .mem = r->mem,
				   .machine = vfio_rig_machine, .machine_arg = r, .dma_for = vfio_rig_dma, .dma_arg = &r->dma };
	log_set_level(LOG_ERROR);
}

/* Before the start: a second function, behind dmar1. */
static inline void vfio_rig_second(struct vfio_rig *r)
{
	struct sysfs_fn fn = { .bdf = FAKE_BDF_2, .driver = "vfio-pci", .group = 8, .cdev = "vfio1", .iommu = "dmar1" };

	sysfs_add(r->sys, &fn);
	r->c.vfios[r->c.n_vfios++].bdf = strdup(FAKE_BDF_2);
}

/* What follows vfio_create(), up to the guest's first instruction. */
static inline int vfio_rig_plug(struct vfio_rig *r)
{
	int status = vfio_map(r->v, r->mem);

	if (!status)
		status = vfio_plug(r->v, &r->ctx);
	if (!status)
		status = pci_assign(r->pci.host);
	return status;
}

/* Everything up to the guest's first instruction. */
static inline int vfio_rig_start(struct vfio_rig *r)
{
	int status = vfio_create(&r->c, &r->k, r->sys, &r->v);

	return status ? status : vfio_rig_plug(r);
}

/* Ends it and checks that nothing is left. */
static inline void vfio_rig_fini(struct vfio_rig *r)
{
	pci_host_destroy(r->pci.host);
	vfio_destroy(r->v);
	irq_destroy(r->pci.irq);
	bus_fini(&r->pci.bus);
	event_destroy(r->ev);
	mem_destroy(r->mem);
	config_free(&r->c);
	sysfs_del(r->sys);
	assert_int_equal(fake.dev_fd, -1);
	assert_int_equal(fake.dev_2_fd, -1);
	assert_int_equal(fake.iommu_fd, -1);
}

static inline struct pci_fn *vfio_rig_fn(struct vfio_rig *r)
{
	return &r->v->dev[0]->fn;
}

static inline u32 vfio_rig_read(struct vfio_rig *r, unsigned off, unsigned size)
{
	return pci_fn_read(vfio_rig_fn(r), off, size);
}

static inline void vfio_rig_write(struct vfio_rig *r, unsigned off, unsigned size, u32 val)
{
	if (pci_fn_write(vfio_rig_fn(r), off, size, val))
		pci_remap(r->pci.host);
}

#endif
