package saleslake;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.EtagSource;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;

/** S3's conditional PUT through S3A: of several writers of one object exactly one wins, and the others are told. */
public final class ConditionalPut {
    private static final String IF_ABSENT = "fs.option.create.conditional.overwrite";
    private static final String IF_ETAG = "fs.option.create.conditional.overwrite.etag";
    private static final int TRIES = 5;

    private ConditionalPut() {}

    /** Put `content` where there is no object yet. False, and nothing done, where there is one with other content. */
    public static boolean ifAbsent(Path path, byte[] content, Configuration conf) throws IOException {
        return put(path, content, null, conf);
    }

    /** Put `content` in place of the object that has this ETag. False, and nothing done, where it is another by now. */
    public static boolean ifUnchanged(Path path, byte[] content, String etag, Configuration conf) throws IOException {
        return put(path, content, etag, conf);
    }

    /** The ETag of the object; null where there is none. */
    public static String etag(Path path, Configuration conf) throws IOException {
        try {
            FileStatus status = path.getFileSystem(conf).getFileStatus(path);
            return status instanceof EtagSource ? ((EtagSource) status).getEtag() : null;
        } catch (FileNotFoundException e) {
            return null;
        }
    }

    /** The object's bytes; null where there is none, or where it was replaced while it was read. */
    public static byte[] read(Path path, Configuration conf) throws IOException {
        try (FSDataInputStream stream = path.getFileSystem(conf).open(path)) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            stream.transferTo(bytes);
            return bytes.toByteArray();
        } catch (FileNotFoundException | RemoteFileChangedException | EOFException e) {
            return null;
        }
    }

    private static boolean put(Path path, byte[] content, String etag, Configuration conf) throws IOException {
        FileSystem system = path.getFileSystem(conf);
        for (int left = TRIES; ; left--) {
            try {
                FSDataOutputStreamBuilder<?, ?> builder = system.createFile(path).create().overwrite(true).recursive();
                builder = etag == null ? builder.must(IF_ABSENT, true) : builder.must(IF_ETAG, etag);
                FSDataOutputStream stream = builder.build();
                stream.write(content);
                stream.close();
                return true;
            } catch (FileAlreadyExistsException | RemoteFileChangedException | FileNotFoundException e) {
                // An answer that was lost is asked for again, and the second try finds what the first one put.
                return Arrays.equals(content, read(path, conf));
            } catch (IOException e) {
                // 409: two conditional writes of one object met; S3 asks for another try.
                if (left <= 1 || !String.valueOf(e.getMessage()).contains("ConditionalRequestConflict")) {
                    throw e;
                }
            }
        }
    }
}
