// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/archive_reader.h"

#include "inspect/scanner/zip_directory.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

namespace sluice::inspect {

namespace {

void let_in(archive* reader, Container container) {
    switch (container) {
        case Container::zip: archive_read_support_format_zip(reader); return;
        case Container::seven_zip: archive_read_support_format_7zip(reader); return;
        case Container::rar: archive_read_support_format_rar(reader); return;
        case Container::rar5: archive_read_support_format_rar5(reader); return;
        case Container::tar: archive_read_support_format_tar(reader); return;
        case Container::cab: archive_read_support_format_cab(reader); return;
        case Container::iso:
            archive_read_support_format_iso9660(reader);
            archive_read_set_options(reader, "iso9660:!joliet");
            return;
        case Container::iso_joliet:
            archive_read_support_format_iso9660(reader);
            archive_read_set_options(reader, "iso9660:!rockridge");
            return;
        case Container::lha: archive_read_support_format_lha(reader); return;
        case Container::cpio: archive_read_support_format_cpio(reader); return;
        case Container::ar: archive_read_support_format_ar(reader); return;
        case Container::gzip: archive_read_support_filter_gzip(reader); break;
        case Container::bzip2: archive_read_support_filter_bzip2(reader); break;
        case Container::xz: archive_read_support_filter_xz(reader); break;
        case Container::lzma: archive_read_support_filter_lzma(reader); break;
        case Container::lzip: archive_read_support_filter_lzip(reader); break;
        case Container::zstd: archive_read_support_filter_zstd(reader); break;
        case Container::lz4: archive_read_support_filter_lz4(reader); break;
        case Container::compress: archive_read_support_filter_compress(reader); break;
    }
    archive_read_support_format_raw(reader);
}

std::string_view text_of(const char* text) { return text ? std::string_view(text) : std::string_view(); }

// As much is unpacked between two looks of the caller at its clock and limits.
constexpr std::size_t buffer_size = 128 * 1024;

// "Pathname cannot be converted from … to current locale.", of names, link targets and the like: nothing of the data is missing.
bool is_about_spelling(archive* reader) { return text_of(archive_error_string(reader)).contains("be converted"); }

}  // namespace

// A zip as libarchive is to see it: with another directory, and ending behind it, because libarchive looks for an end near the object's end alone.
// The callbacks of archive_read_open(3).
class ArchiveReader::Source {
public:
    Source(std::string_view object, PlainDirectory directory)
        : directory_(std::move(directory)),
          pieces_{object.substr(0, directory_.at), directory_.bytes},
          size_(directory_.at + directory_.bytes.size()) {}

    int open(archive* reader) {
        archive_read_set_read_callback(reader, [](archive*, void* self, const void** bytes) -> la_ssize_t {
            const std::string_view rest = static_cast<Source*>(self)->take();
            *bytes = rest.data();
            return static_cast<la_ssize_t>(rest.size());
        });
        archive_read_set_seek_callback(reader, [](archive*, void* self, la_int64_t offset, int whence) -> la_int64_t {
            return static_cast<Source*>(self)->seek(offset, whence);
        });
        archive_read_set_callback_data(reader, this);
        return archive_read_open1(reader);
    }

private:
    // The rest of the piece that is being read; empty at the end.
    std::string_view take() {
        std::size_t begin = 0;
        for (const std::string_view piece : pieces_) {
            if (position_ < begin + piece.size()) {
                const std::string_view rest = piece.substr(position_ - begin);
                position_ += rest.size();
                return rest;
            }
            begin += piece.size();
        }
        return {};
    }

    la_int64_t seek(la_int64_t offset, int whence) {
        const std::size_t base = whence == SEEK_END ? size_ : whence == SEEK_CUR ? position_ : 0;
        position_ =
            static_cast<std::size_t>(std::clamp<la_int64_t>(static_cast<la_int64_t>(base) + offset, 0, static_cast<la_int64_t>(size_)));
        return static_cast<la_int64_t>(position_);
    }

    PlainDirectory directory_;
    std::array<std::string_view, 2> pieces_;
    std::size_t size_;
    std::size_t position_ = 0;
};

ArchiveReader::ArchiveReader(Container container, std::string_view object) : archive_(archive_read_new()), buffer_(buffer_size) {
    if (!archive_) throw std::bad_alloc();
    let_in(archive_, container);
    if (container == Container::zip)
        if (auto directory = plain_directory(object)) source_ = std::make_unique<Source>(object, std::move(*directory));
    is_open_ = (source_ ? source_->open(archive_) : archive_read_open_memory(archive_, object.data(), object.size())) == ARCHIVE_OK;
}

ArchiveReader::~ArchiveReader() { archive_read_free(archive_); }

ArchiveReader::Status ArchiveReader::fault(int code) const {
    if (archive_errno(archive_) == ENOMEM) return Status::no_memory;
    const std::string_view text = text_of(archive_error_string(archive_));
    // Where no reader took the archive, libarchive must not be asked: it looks behind the end of its list of readers.
    if ((is_open_ && archive_read_has_encrypted_entries(archive_) == 1) || text.contains("ncrypt") || text.contains("Crypto"))
        return Status::encrypted;
    return code == ARCHIVE_FATAL ? Status::broken_for_good : Status::broken;
}

ArchiveReader::Status ArchiveReader::next() {
    if (!is_open_) return fault(ARCHIVE_FATAL);
    constexpr int retries = 16;
    int code = ARCHIVE_RETRY;
    bool has_skipped = false;  // what was no header: somebody else may have read it as content
    for (int i = 0; i < retries && code == ARCHIVE_RETRY; ++i) {
        has_skipped = i > 0;
        code = archive_read_next_header(archive_, &entry_);
    }
    if (code == ARCHIVE_EOF) return has_skipped ? Status::broken : Status::end;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return fault(code);
    has_warned_ = has_skipped || (code == ARCHIVE_WARN && !is_about_spelling(archive_));
    read_ = 0;
    return Status::data;
}

std::string ArchiveReader::path() const {
    const char* path = archive_entry_pathname(entry_);
    return std::string(text_of(path ? path : archive_entry_pathname_utf8(entry_)));
}

bool ArchiveReader::is_encrypted() const { return archive_entry_is_encrypted(entry_) != 0; }

std::uint64_t ArchiveReader::declared_size() const {
    const auto size = archive_entry_size_is_set(entry_) ? archive_entry_size(entry_) : 0;
    return size > 0 ? static_cast<std::uint64_t>(size) : 0;
}

ArchiveReader::Status ArchiveReader::read(std::string& into) {
    if (read_ == 0 && archive_entry_filetype(entry_) == AE_IFLNK) {
        const std::string_view target = text_of(archive_entry_symlink(entry_));
        read_ = target.size();
        into.append(target);
        return target.empty() ? Status::broken : Status::data;
    }
    const la_ssize_t got = archive_read_data(archive_, buffer_.data(), buffer_.size());
    if (got < 0) return fault(static_cast<int>(got));
    read_ += static_cast<std::uint64_t>(got);
    into.append(buffer_.data(), static_cast<std::size_t>(got));
    if (got > 0) return Status::data;
    // An image says how large a folder is, which has no content.
    const bool has_content = archive_entry_filetype(entry_) != AE_IFDIR && archive_entry_hardlink(entry_) == nullptr;
    if (has_warned_ || (has_content && read_ < declared_size())) return Status::broken;
    return Status::end;
}

void ArchiveReader::warm_up() {
    const std::string nothing(64 * 1024, '\0');
    for (int container = 0; container <= static_cast<int>(Container::compress); ++container)
        ArchiveReader(static_cast<Container>(container), nothing).next();
}

}  // namespace sluice::inspect
