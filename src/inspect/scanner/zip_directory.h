// SPDX-License-Identifier: Apache-2.0
// A zip file says everything twice, in its central directory and in front of each member, and programs differ in what they believe. A zip whose two
// accounts disagree is made to be read in two ways: it is corrupt (APPNOTE.TXT 4.3). One whose members share bytes is a bomb.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::inspect {

enum class ZipFault : std::uint8_t {
    none,
    no_directory,  // cut off, or something else
    disagreement,  // directory and local headers, or two directories
    overlap,  // members that share bytes
    too_many,  // more members than asked for
};

// Looks at the directory and at the header in front of each member; unpacks nothing. Linear in the directory's size, and in the gaps between members.
ZipFault check_zip(std::string_view object, std::size_t most_members);

// A zip with members, wherever it stands: in front of it may be anything, and behind it too. What merely has the signature of an end is none.
struct ZipPlace {
    std::size_t begin = 0;  // of its first member
    std::size_t end = 0;
    std::size_t record = 0;  // its end record
    // False: there are readers that find no zip there, and take one that stands in front of it.
    bool is_sure = false;
};
// The last one, as most readers do. Linear in the object's size.
std::optional<ZipPlace> find_zip(std::string_view object);

// The directory with each member that is no empty folder as an ordinary file, and a plain end record: to be read instead of all that stands from `at`
// on. What a member says that it is (a folder, a link, a device) is for who unpacks it to believe: many programs do not, and make a file of its
// content.
struct PlainDirectory {
    std::size_t at = 0;
    std::string bytes;
};
// nullopt: there is none, or only some readers know where.
std::optional<PlainDirectory> plain_directory(std::string_view object);

}  // namespace sluice::inspect
