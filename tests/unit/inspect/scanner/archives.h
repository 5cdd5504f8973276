// SPDX-License-Identifier: Apache-2.0
// Archives, made in memory: by libarchive where it has a writer, by hand where it has none, or where the archive is to be hostile.
#pragma once

#include <gtest/gtest.h>

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::inspect {

using Files = std::vector<std::pair<std::string, std::string>>;  // name, content

// `format` and `filter` by libarchive's names ("zip", "7zip", "gzip"); "" for no filter. `options` as archive_write_set_options has them.
inline std::string archive_of(const char* format, const char* filter, const Files& files, const char* options = nullptr) {
    std::string out(4 << 20, '\0');
    for (const auto& [name, content] : files) out.resize(out.size() + content.size() + 4096);
    std::size_t used = 0;
    archive* writer = archive_write_new();
    EXPECT_EQ(archive_write_set_format_by_name(writer, format), ARCHIVE_OK) << format;
    if (*filter) EXPECT_EQ(archive_write_add_filter_by_name(writer, filter), ARCHIVE_OK) << filter;
    archive_write_set_bytes_per_block(writer, 0);
    if (options) {
        EXPECT_EQ(archive_write_set_passphrase(writer, "secret"), ARCHIVE_OK);
        EXPECT_EQ(archive_write_set_options(writer, options), ARCHIVE_OK) << archive_error_string(writer);
    }
    EXPECT_EQ(archive_write_open_memory(writer, out.data(), out.size(), &used), ARCHIVE_OK);
    for (const auto& [name, content] : files) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, name.c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
        EXPECT_EQ(archive_write_data(writer, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
        archive_entry_free(entry);
    }
    EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
    archive_write_free(writer);
    out.resize(used);
    return out;
}

inline std::string noise(std::size_t size, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::string out(size, '\0');
    for (char& each : out) each = static_cast<char>(random());
    return out;
}

template <class T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline std::uint32_t crc_of(std::string_view text) {
    return static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

// A zip, piece by piece, so that its pieces can disagree.
class ZipMaker {
public:
    struct Entry {
        std::string name;
        std::string content;
        std::uint32_t offset = 0;
    };

    // Puts the header and the content there, stored; returns what the directory says of it.
    Entry local(const std::string& name, const std::string& content) {
        Entry entry{name, content, static_cast<std::uint32_t>(out_.size())};
        out_ += "PK\x03\x04";
        fixed(entry);
        put<std::uint16_t>(out_, static_cast<std::uint16_t>(name.size()));
        put<std::uint16_t>(out_, 0);
        out_ += name + content;
        return entry;
    }
    void raw(std::string_view bytes) { out_ += bytes; }
    std::string finish(const std::vector<Entry>& directory, const std::string& comment = {}) {
        const auto begin = static_cast<std::uint32_t>(out_.size());
        for (const Entry& entry : directory) {
            out_ += "PK\x01\x02";
            put<std::uint16_t>(out_, 20);
            fixed(entry);
            put<std::uint16_t>(out_, static_cast<std::uint16_t>(entry.name.size()));
            out_.append(12, '\0');
            put<std::uint32_t>(out_, entry.offset);
            out_ += entry.name;
        }
        const auto size = static_cast<std::uint32_t>(out_.size()) - begin;
        out_ += "PK\x05\x06";
        put<std::uint32_t>(out_, 0);
        put<std::uint16_t>(out_, static_cast<std::uint16_t>(directory.size()));
        put<std::uint16_t>(out_, static_cast<std::uint16_t>(directory.size()));
        put(out_, size);
        put(out_, begin);
        put<std::uint16_t>(out_, static_cast<std::uint16_t>(comment.size()));
        return out_ + comment;
    }

private:
    void fixed(const Entry& entry) {
        put<std::uint16_t>(out_, 20);
        put<std::uint16_t>(out_, 0);
        put<std::uint16_t>(out_, 0);
        put<std::uint32_t>(out_, 0);
        put<std::uint32_t>(out_, crc_of(entry.content));
        put<std::uint32_t>(out_, static_cast<std::uint32_t>(entry.content.size()));
        put<std::uint32_t>(out_, static_cast<std::uint32_t>(entry.content.size()));
    }
    std::string out_;
};

inline std::string rar4_of(const Files& files) {
    std::string out("Rar!\x1a\x07\0", 7);
    const auto block = [&](const std::string& header, const std::string& data) {
        put<std::uint16_t>(out, static_cast<std::uint16_t>(crc_of(header)));
        out += header + data;
    };
    block(std::string("\x73\0\0\x0d\0\0\0\0\0\0\0", 11), "");
    for (const auto& [name, content] : files) {
        std::string header(1, '\x74');
        put<std::uint16_t>(header, 0x8000);
        put<std::uint16_t>(header, static_cast<std::uint16_t>(32 + name.size()));
        put<std::uint32_t>(header, static_cast<std::uint32_t>(content.size()));
        put<std::uint32_t>(header, static_cast<std::uint32_t>(content.size()));
        header += '\x03';
        put<std::uint32_t>(header, crc_of(content));
        put<std::uint32_t>(header, 0x21);
        header += "\x14\x30";
        put<std::uint16_t>(header, static_cast<std::uint16_t>(name.size()));
        put<std::uint32_t>(header, 0100644);
        block(header + name, content);
    }
    block(std::string("\x7b\0\x40\x07\0", 5), "");
    return out;
}

inline std::string rar5_of(const Files& files) {
    std::string out("Rar!\x1a\x07\x01\0", 8);
    const auto vint = [](std::size_t value) {
        std::string text;
        for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
        return text + static_cast<char>(value);
    };
    const auto block = [&](const std::string& header, const std::string& data) {
        const std::string sized = vint(header.size()) + header;
        put<std::uint32_t>(out, crc_of(sized));
        out += sized + data;
    };
    block(std::string("\x01\0\0", 3), "");
    for (const auto& [name, content] : files) {
        std::string header("\x02\x02", 2);
        header += vint(content.size()) + '\x04' + vint(content.size()) + vint(0100644);
        put<std::uint32_t>(header, crc_of(content));
        block(header + std::string("\0\x01", 2) + vint(name.size()) + name, content);
    }
    block(std::string("\x05\0\0", 3), "");
    return out;
}

inline std::string cab_of(const Files& files) {
    std::string entries;
    std::string content;
    for (const auto& [name, bytes] : files) {
        put<std::uint32_t>(entries, static_cast<std::uint32_t>(bytes.size()));
        put<std::uint32_t>(entries, static_cast<std::uint32_t>(content.size()));
        entries += std::string("\0\0\x21\0\0\0\x20\0", 8) + name + '\0';
        content += bytes;
    }
    std::string blocks;
    std::uint16_t count = 0;
    for (std::size_t at = 0; at < content.size(); at += 32768, ++count) {
        const std::string block = content.substr(at, 32768);
        put<std::uint32_t>(blocks, 0);                       // no sum
        put<std::uint16_t>(blocks, static_cast<std::uint16_t>(block.size()));
        put<std::uint16_t>(blocks, static_cast<std::uint16_t>(block.size()));
        blocks += block;
    }
    std::string out("MSCF\0\0\0\0", 8);
    put<std::uint32_t>(out, static_cast<std::uint32_t>(36 + 8 + entries.size() + blocks.size()));
    put<std::uint32_t>(out, 0);
    put<std::uint32_t>(out, 36 + 8);
    put<std::uint32_t>(out, 0);
    out += "\x03\x01";
    put<std::uint16_t>(out, 1);
    put<std::uint16_t>(out, static_cast<std::uint16_t>(files.size()));
    out.append(6, '\0');
    put<std::uint32_t>(out, static_cast<std::uint32_t>(36 + 8 + entries.size()));
    put<std::uint16_t>(out, count);
    put<std::uint16_t>(out, 0);
    return out + entries + blocks;
}

inline std::string lha_of(const Files& files) {
    std::string out;
    for (const auto& [name, content] : files) {
        std::uint16_t crc = 0;                               // CRC-16/ARC
        for (const char each : content) {
            crc ^= static_cast<unsigned char>(each);
            for (int bit = 0; bit < 8; ++bit) crc = static_cast<std::uint16_t>(crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1);
        }
        std::string header("-lh0-");
        put<std::uint32_t>(header, static_cast<std::uint32_t>(content.size()));
        put<std::uint32_t>(header, static_cast<std::uint32_t>(content.size()));
        put<std::uint32_t>(header, 0);
        header += std::string("\x20\0", 2) + static_cast<char>(name.size()) + name;
        put(header, crc);
        unsigned sum = 0;
        for (const char each : header) sum += static_cast<unsigned char>(each);
        out += static_cast<char>(header.size());
        out += static_cast<char>(sum);
        out += header + content;
    }
    return out + '\0';
}

}  // namespace sluice::inspect
