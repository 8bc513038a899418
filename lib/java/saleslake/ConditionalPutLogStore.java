package saleslake;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log on S3, safe for any number of writers: a commit is put only where there is none of its version.
 *
 * <p>Delta's own store for S3 looks first and writes then, which holds within one JVM only; two drivers could both commit
 * one version and the later would erase the earlier. delta-rs commits in the same way as this, so the two may write beside
 * one another.
 */
public class ConditionalPutLogStore extends S3SingleDriverLogStore {
    public ConditionalPutLogStore(Configuration conf) {
        super(conf);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration conf) throws IOException {
        if (overwrite) {
            super.write(path, actions, true, conf);
            return;
        }
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        while (actions.hasNext()) {
            content.write((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
        }
        if (!ConditionalPut.ifAbsent(path, content.toByteArray(), conf)) {
            throw new FileAlreadyExistsException(path.toString());
        }
    }
}
