/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer to peer: an assigned function's memory in the address space that all assigned functions share, so that one's DMA reaches another.
 *
 * The kernel maps no BAR by its user space address. It gives a dma-buf for a part of one, and iommufd maps that as it does a file. A dma-buf
 * is of one area of a BAR, as the guest sees it: what is trapped (MSI-X table, pending bits) stays out of reach.
 * A reset of the device takes the memory away from every importer for good; the guest's registers then say that the BAR is not on the bus,
 * which unmaps it here, and it is mapped anew when they say that it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/vfio_priv.h"

/* The descriptor, or -errno. */
static int export_area(const struct vfio_dev *d, unsigned bar, const struct vfio_area *x)
{
	struct vfio_dma_buf b = {
		.argsz = sizeof(b), .flags = VFIO_FEATURE_GET | VFIO_FEATURE_DMA_BUF, .region_index = bar, .open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1, .offset = x->off, .length = x->len,
	};
	int fd;

	do
		fd = ioctl(d->fd, VFIO_FEATURE, &b);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* iova NULL: anywhere, and taken out again: whether it works at all. */
static int map_area(struct vfio_dev *d, unsigned bar, const struct vfio_area *x, const u64 *iova)
{
	int fd = export_area(d, bar, x), err;
	u64 at = iova ? *iova : 0;

	if (fd < 0)
		return fd;
	err = iommufd_map_dmabuf(&d->v->iommufd, d->v->ioas, fd, x->len, iova != NULL, &at);
	/* The mapping holds the memory. */
	close(fd);
	if (!err && !iova)
		err = iommufd_unmap(&d->v->iommufd, d->v->ioas, at, x->len);
	return err;
}

void vfio_p2p_init(struct vfio_dev *d)
{
	for (unsigned bar = 0; d->p2p && bar < PCI_BARS; bar++) {
		int err;

		if (!d->bar[bar].n_areas)
			continue;
		err = map_area(d, bar, &d->bar[bar].area[0], NULL);
		if (!err)
			return;
		log_warn("--vfio %s: p2p=on: this host does not let other devices reach its memory (%s): it needs Linux 6.19 with "
			 "CONFIG_VFIO_PCI_DMABUF: p2p is off", d->bdf, strerror(-err));
		d->p2p = false;
	}
}

void vfio_p2p_map(struct vfio_dev *d, unsigned bar, struct vfio_area *x, gpa_t gpa)
{
	int err;

	if (!d->p2p || x->peer)
		return;
	err = map_area(d, bar, x, &gpa);
	x->peer = !err;
	if (err)
		log_guest("%s: other devices cannot reach BAR %u at 0x%llx: %s", d->name, bar, (unsigned long long)gpa, strerror(-err));
}

void vfio_p2p_unmap(struct vfio_dev *d, unsigned bar, struct vfio_area *x, gpa_t gpa)
{
	int err;

	if (!x->peer)
		return;
	x->peer = false;
	err = iommufd_unmap(&d->v->iommufd, d->v->ioas, gpa, x->len);
	if (err)
		log_guest("%s: BAR %u stays where other devices reach it: %s", d->name, bar, strerror(-err));
}
